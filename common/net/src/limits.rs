//! Every limit of the wire, in one place. The server's request limit is enforced below the services, so none can forget it; a client sets
//! [`MAX_ANSWER`] with `.max_decoding_message_size(MAX_ANSWER)`.

use std::time::Duration;

/// The longest request: what a peer can make us hold in memory for one call.
pub const MAX_MESSAGE: usize = 256 * 1024;
/// The longest answer that a client takes: a list of some ten thousand nodes.
pub const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// Connections that one listener holds at a time, far below the usual limit of open files.
pub const MAX_CONNECTIONS: usize = 512;
/// Handshakes at a time: they cost the most and their senders are not known yet.
pub const MAX_HANDSHAKES: usize = 64;
/// Calls at a time on one connection. A coordinator needs three or four.
pub const MAX_STREAMS: u32 = 8;
/// The whole of a request's headers.
pub const MAX_HEADERS: u32 = 8 * 1024;
/// The smallest frame limit that HTTP/2 allows.
pub const MAX_FRAME: u32 = 16 * 1024;
/// Bytes under way on one connection before the receiver has taken them.
pub const WINDOW: u32 = 1024 * 1024;
/// Streams that a peer may reset before they are looked at.
pub const MAX_RESETS: usize = 32;

/// From the first byte to the end of the TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(5);
/// From dialling to the first byte of HTTP/2.
pub const CONNECT: Duration = Duration::from_secs(3);
/// The longest wait for the beginning of an answer; a caller sets a shorter one for each call.
pub const CALL: Duration = Duration::from_mins(2);
/// Between signs of life on a connection.
pub const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long a sign of life may take to be answered.
pub const KEEPALIVE_ANSWER: Duration = Duration::from_secs(5);
/// When a connection is ended kindly, so that both sides show their present certificates again: well before one of them can be over.
pub const CONNECTION_AGE: Duration = Duration::from_hours(6);
/// After that kind end: when it is ended in any case, whatever still streams.
pub const CONNECTION_GRACE: Duration = Duration::from_mins(1);
/// All that a connection without a good certificate gets: enough to enrol or to renew.
pub const STRANGER_AGE: Duration = Duration::from_secs(30);
/// How long calls under way may go on after the stop of a server.
pub const DRAIN: Duration = Duration::from_secs(5);

/// A tonic server with all of the above.
pub(crate) fn server() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEADERS)
        .max_frame_size(MAX_FRAME)
        .initial_stream_window_size(WINDOW / 4)
        .initial_connection_window_size(WINDOW)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_RESETS))
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .max_connection_age(CONNECTION_AGE)
        .timeout(CALL)
}
