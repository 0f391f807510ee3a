//! A listener with a certificate of its own stands for the API server.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// Answers every request with `answer`, under a certificate for `names`; gives the port.
    async fn serve(&self, names: &[&str], answer: &'static str, tasks: &mut JoinSet<()>) -> u16 {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = slipway_net::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = TlsAcceptor::from(Arc::new(config.clone())).accept(stream).await else { continue };
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        port
    }
}

async fn ready(port: u16, authority: &Authority) -> Result<bool, Error> {
    Servers.ready(&format!("https://127.0.0.1:{port}"), &authority.pem()).await
}

#[tokio::test]
async fn a_server_of_the_cluster_says_whether_it_is_ready() {
    let (authority, mut tasks) = (Authority::new(), JoinSet::new());
    let yes = authority.serve(&["127.0.0.1"], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", &mut tasks).await;
    assert!(ready(yes, &authority).await.unwrap());
    let no = authority.serve(&["127.0.0.1"], "HTTP/1.1 500 Internal Server Error\r\n\r\n", &mut tasks).await;
    assert!(!ready(no, &authority).await.unwrap());
    let gibberish = authority.serve(&["127.0.0.1"], "SSH-2.0\r\n", &mut tasks).await;
    assert!(matches!(
        ready(gibberish, &authority).await,
        Err(Error::ApiServer { certificate: false, refused: false, .. })
    ));
}

#[tokio::test]
async fn a_foreign_authority_and_another_name_are_told_from_silence() {
    let (authority, mut tasks) = (Authority::new(), JoinSet::new());
    let port = authority.serve(&["10.70.0.10", "api.example"], "HTTP/1.1 200 OK\r\n\r\n", &mut tasks).await;
    let other_name = ready(port, &authority).await;
    assert!(matches!(other_name, Err(Error::ApiServer { certificate: true, .. })), "{other_name:?}");
    let own = authority.serve(&["127.0.0.1"], "HTTP/1.1 200 OK\r\n\r\n", &mut tasks).await;
    let foreign = ready(own, &Authority::new()).await;
    assert!(matches!(foreign, Err(Error::ApiServer { certificate: true, .. })), "{foreign:?}");
    let silence = ready(9, &authority).await;
    assert!(matches!(silence, Err(Error::ApiServer { certificate: false, refused: true, .. })), "{silence:?}");
    let nothing = Servers.ready(&format!("https://127.0.0.1:{own}"), b"").await;
    assert!(matches!(nothing, Err(Error::ApiServer { certificate: true, .. })), "{nothing:?}");
}

#[test]
fn the_first_line_of_an_answer_is_read() {
    assert_eq!(status(b"HTTP/1.1 401 Unauthorized\r\nx"), Some(401));
    assert_eq!(status(b"HTTP/2 200\r\n"), None);
    assert_eq!(status(b""), None);
    assert_eq!(status(&[0xff, 0xfe]), None);
}
