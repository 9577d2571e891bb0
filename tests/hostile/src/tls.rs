//! A TLS server that nobody has a reason to trust.
//!
//! `certificate.der` and `key.der` were made once and open nothing: `openssl req -x509 -newkey ec -pkeyopt
//! ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=self-signed.example`.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CERTIFICATE: &[u8] = include_bytes!("certificate.der");
const KEY: &[u8] = include_bytes!("key.der");

/// Shakes hands for as long as the other side goes along, and then reads what it sends.
pub(crate) async fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    let mut connection = ServerConnection::new(Arc::new(config()?)).map_err(io::Error::other)?;
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let mut unread = &buffer[..read];
        while !unread.is_empty() {
            connection.read_tls(&mut unread)?;
            connection.process_new_packets().map_err(io::Error::other)?;
        }
        let mut answer = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut answer)?;
        }
        stream.write_all(&answer).await?;
    }
}

fn config() -> io::Result<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY));
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        })
        .map_err(io::Error::other)
}
