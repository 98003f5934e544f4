//! TLS, and mutual TLS when client authorities are given.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{ConfigError, TlsConfig};

/// The TLS settings, or `None` where TLS is off.
pub fn server_config(config: &TlsConfig) -> Result<Option<rustls::ServerConfig>, ConfigError> {
    let (Some(certificate), Some(private_key)) = (&config.certificate, &config.private_key) else {
        return Ok(None);
    };
    let wrong = |what: &str, error: &dyn std::fmt::Display| ConfigError(format!("tls.{what}: {error}"));
    let chain = certificates(certificate).map_err(|error| wrong("certificate", &error))?;
    let key = fs::read(private_key).map_err(|error| wrong("private_key", &error))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| wrong("private_key", &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("certificate", &error))?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(authorities).map_err(|error| wrong("client_ca", &error))? {
                roots.add(authority).map_err(|error| wrong("client_ca", &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| wrong("client_ca", &error))?)
        }
    };
    let mut tls = builder.with_single_cert(chain, key).map_err(|error| wrong("private_key", &error))?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(tls))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| format!("{}: {error}", path.display()))?;
    if certificates.is_empty() { Err(format!("{} holds no certificate", path.display())) } else { Ok(certificates) }
}
