//! A request's bytes, counted. The limit holds below the services: before a message is decoded, whatever size its sender announces.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use slipway_errors::{Code, Coded};
use slipway_proto::status::to_status;
use tonic::Status;

use crate::limits::MAX_MESSAGE;

/// A gRPC message begins with a flag and its length.
const PREFIX: usize = 5;

/// Lets [`MAX_MESSAGE`] through and no more; says once that it did not.
pub(crate) struct Limited<F> {
    inner: tonic::body::Body,
    prefix: Vec<u8>,
    seen: usize,
    refused: Option<F>,
}

impl<F: FnOnce(&Coded)> Limited<F> {
    pub(crate) fn new(inner: tonic::body::Body, refused: F) -> Self {
        Self { inner, prefix: Vec::with_capacity(PREFIX), seen: 0, refused: Some(refused) }
    }

    fn take(&mut self, data: &Bytes) -> Result<(), Status> {
        self.seen = self.seen.saturating_add(data.remaining());
        let missing = PREFIX - self.prefix.len();
        self.prefix.extend(data.iter().take(missing));
        let announced = match self.prefix[..] {
            [_, a, b, c, d] => u32::from_be_bytes([a, b, c, d]) as usize,
            _ => 0,
        };
        if announced <= MAX_MESSAGE && self.seen <= MAX_MESSAGE + PREFIX {
            return Ok(());
        }
        let says = format!("the request has {} bytes, and at most {MAX_MESSAGE} are taken", announced.max(self.seen));
        let error = Coded::new(Code::WIRE_TOO_LARGE, says);
        if let Some(refused) = self.refused.take() {
            refused(&error);
        }
        Err(to_status(tonic::Code::OutOfRange, &error))
    }
}

impl<F: FnOnce(&Coded) + Unpin> Body for Limited<F> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => match frame.data_ref().map(|data| this.take(data)) {
                Some(Err(refused)) => Some(Err(refused)),
                _ => Some(Ok(frame)),
            },
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
