//! The container runtime over its CRI socket. No answer is an error: an empty list must come from the runtime itself.

use std::time::Duration;

use async_trait::async_trait;
use slipway_proto::cri::image_service_client::ImageServiceClient;
use slipway_proto::cri::runtime_service_client::RuntimeServiceClient;
use slipway_proto::cri::{
    ImageSpec, ImageStatusRequest, ListContainersRequest, ListPodSandboxRequest, PullImageRequest, VersionRequest,
};
use tonic::transport::{Channel, Endpoint};

use crate::{Container, Error, Runtime, Sandbox};

const DEADLINE: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 16 << 20;
/// A runtime tells a failed pull with the whole chain of what it tried.
const MOST_SAID: usize = 600;
/// CRI's state of a container.
const RUNNING: i32 = 1;

#[derive(Debug)]
pub(super) struct Cri;

fn silent(socket: &str) -> impl Fn(String) -> Error + '_ {
    move |why| Error::Runtime { socket: socket.to_owned(), why }
}

async fn connected(socket: &str, answers_within: Duration) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(socket.to_owned()).map_err(|error| silent(socket)(error.to_string()))?;
    endpoint
        .connect_timeout(DEADLINE)
        .timeout(answers_within)
        .connect()
        .await
        .map_err(|error| silent(socket)(chain(&error)))
}

async fn images(socket: &str, answers_within: Duration) -> Result<ImageServiceClient<Channel>, Error> {
    let channel = connected(socket, answers_within).await?;
    Ok(ImageServiceClient::new(channel).max_decoding_message_size(ANSWER_LIMIT))
}

async fn client(socket: &str) -> Result<RuntimeServiceClient<Channel>, Error> {
    Ok(RuntimeServiceClient::new(connected(socket, DEADLINE).await?).max_decoding_message_size(ANSWER_LIMIT))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        words.push(error.to_string());
        next = error.source();
    }
    words.join(": ")
}

#[async_trait]
impl Runtime for Cri {
    async fn sandboxes(&self, socket: &str) -> Result<Vec<Sandbox>, Error> {
        let answer = client(socket).await?.list_pod_sandbox(ListPodSandboxRequest {}).await;
        let items = answer.map_err(|status| silent(socket)(status.to_string()))?.into_inner().items;
        let sandbox = |item: slipway_proto::cri::PodSandbox| {
            let metadata = item.metadata.unwrap_or_default();
            Sandbox { id: item.id, namespace: metadata.namespace, name: metadata.name, ready: item.state == 0 }
        };
        Ok(items.into_iter().map(sandbox).collect())
    }

    async fn containers(&self, socket: &str) -> Result<Vec<Container>, Error> {
        let answer = client(socket).await?.list_containers(ListContainersRequest {}).await;
        let items = answer.map_err(|status| silent(socket)(status.to_string()))?.into_inner().containers;
        let container = |item: slipway_proto::cri::Container| Container {
            id: item.id,
            sandbox: item.pod_sandbox_id,
            name: item.metadata.unwrap_or_default().name,
            image: item.image_ref,
            running: item.state == RUNNING,
        };
        Ok(items.into_iter().map(container).collect())
    }

    async fn version(&self, socket: &str) -> Result<String, Error> {
        let answer = client(socket).await?.version(VersionRequest { version: "v1".into() }).await;
        let version = answer.map_err(|status| silent(socket)(status.to_string()))?.into_inner().runtime_version;
        Ok(version.trim_start_matches('v').to_owned())
    }

    async fn image(&self, socket: &str, name: &str) -> Result<Option<String>, Error> {
        let request = ImageStatusRequest { image: Some(ImageSpec { image: name.to_owned() }) };
        let answer = images(socket, DEADLINE).await?.image_status(request).await;
        let image = answer.map_err(|status| silent(socket)(status.to_string()))?.into_inner().image;
        Ok(image.map(|image| image.id))
    }

    async fn pull_image(&self, socket: &str, name: &str, within: Duration) -> Result<(), Error> {
        let request = PullImageRequest { image: Some(ImageSpec { image: name.to_owned() }) };
        let mut client = images(socket, within).await?;
        let failed = |why: String| Error::Image { image: name.to_owned(), why };
        match tokio::time::timeout(within, client.pull_image(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(failed(status.message().chars().take(MOST_SAID).collect())),
            Err(_) => Err(failed(format!("it was not there within {} s", within.as_secs()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_without_a_runtime_is_an_error_and_not_an_empty_list() {
        let folder = tempfile::tempdir().unwrap();
        let socket = format!("unix://{}/none.sock", folder.path().display());
        assert!(matches!(Cri.sandboxes(&socket).await, Err(Error::Runtime { .. })));
        assert!(matches!(Cri.containers(&socket).await, Err(Error::Runtime { .. })));
    }
}
