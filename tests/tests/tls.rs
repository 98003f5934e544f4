//! TLS and mutual TLS, switched on by settings.

use std::path::{Path, PathBuf};

use daybook_proto::node::v1::{GetStatusRequest, GetStatusResponse};
use daybook_server::config::Config;
use daybook_tests::node::{Home, Node, path_of};
use daybook_tests::people::LEA;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// An authority, in PEM, with what it signs with.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> Signed {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(purpose);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { certificate, key: key.serialize_pem() }
    }
}

fn write(folder: &Path, name: &str, pem: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, pem).unwrap();
    Some(path)
}

/// A node with TLS; with the authority that its certificate is from.
async fn node(clients: Option<&Authority>) -> (Node, Authority) {
    let authority = Authority::new("servers");
    let server = authority.sign("node", ExtendedKeyUsagePurpose::ServerAuth);
    let mut home = Home::default();
    let folder = home.folder.path().to_owned();
    home.config.tls.certificate = write(&folder, "certificate.pem", &server.certificate);
    home.config.tls.private_key = write(&folder, "key.pem", &server.key);
    home.config.tls.client_ca = clients.and_then(|clients| write(&folder, "clients.pem", &clients.pem));
    (home.start().await, authority)
}

/// Asks for the status by gRPC.
async fn by_grpc(node: &Node, tls: ClientTlsConfig) -> Result<GetStatusResponse, String> {
    let endpoint = Endpoint::from_shared(format!("https://{}", node.running.address)).unwrap();
    let channel = endpoint.tls_config(tls).unwrap().connect().await.map_err(|error| format!("{error:?}"))?;
    status_on(node, channel).await
}

async fn status_on(node: &Node, channel: Channel) -> Result<GetStatusResponse, String> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| format!("{error:?}"))?;
    let mut request = tonic::Request::new(GetStatusRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {}", node.token(&LEA)).parse().unwrap());
    let path = path_of::<GetStatusRequest>().parse().unwrap();
    let codec = tonic_prost::ProstCodec::<GetStatusRequest, GetStatusResponse>::default();
    let answer = grpc.unary(request, path, codec).await.map_err(|status| format!("{status:?}"))?;
    Ok(answer.into_inner())
}

/// Asks for the status by JSON.
async fn by_json(node: &Node, authority: &Authority, client: Option<&Signed>) -> Result<u16, String> {
    let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let mut builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    if let Some(client) = client {
        let pem = format!("{}{}", client.certificate, client.key);
        builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
    }
    let url = format!("https://{}{}", node.running.address, path_of::<GetStatusRequest>());
    let request = builder.build().unwrap().post(url).bearer_auth(node.token(&LEA));
    let answer = request.header("content-type", "application/json").body("{}").send().await;
    answer.map(|answer| answer.status().as_u16()).map_err(|error| format!("{error:?}"))
}

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.pem)).domain_name("localhost")
}

fn as_client(authority: &Authority, client: &Signed) -> ClientTlsConfig {
    trusting(authority).identity(Identity::from_pem(&client.certificate, &client.key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tls_both_doors_are_encrypted_and_plain_text_is_not_answered() {
    let (node, authority) = node(None).await;
    assert!(by_grpc(&node, trusting(&authority)).await.unwrap().ready);
    assert_eq!(by_json(&node, &authority, None).await, Ok(200));

    let plain = Endpoint::from_shared(format!("http://{}", node.running.address)).unwrap();
    match plain.connect().await {
        Ok(channel) => assert!(status_on(&node, channel).await.is_err()),
        Err(error) => drop(error),
    }
    let plain = reqwest::get(format!("http://{}/", node.running.address)).await;
    assert!(plain.is_err(), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_trust_the_nodes_authority_does_not_talk_to_it() {
    let (node, _) = node(None).await;
    let stranger = Authority::new("strangers");
    assert!(by_grpc(&node, trusting(&stranger)).await.is_err());
    assert!(by_json(&node, &stranger, None).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_mutual_tls_only_clients_of_the_right_authority_come_in() {
    let clients = Authority::new("clients");
    let (node, authority) = node(Some(&clients)).await;
    let known = clients.sign("service", ExtendedKeyUsagePurpose::ClientAuth);
    assert!(by_grpc(&node, as_client(&authority, &known)).await.unwrap().ready);
    assert_eq!(by_json(&node, &authority, Some(&known)).await, Ok(200));

    let forged = Authority::new("clients").sign("service", ExtendedKeyUsagePurpose::ClientAuth);
    let servers = clients.sign("service", ExtendedKeyUsagePurpose::ServerAuth);
    for (what, client) in
        [("none", None), ("of another authority", Some(&forged)), ("made for servers", Some(&servers))]
    {
        let tls = client.map_or_else(|| trusting(&authority), |client| as_client(&authority, client));
        assert!(by_grpc(&node, tls).await.is_err(), "gRPC with a certificate: {what}");
        assert!(by_json(&node, &authority, client).await.is_err(), "JSON with a certificate: {what}");
    }
    // A certificate opens the door and nothing else: who asks is told by the token.
    assert!(by_grpc(&node, as_client(&authority, &known)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_in_the_files_are_named_before_anything_is_made() {
    let authority = Authority::new("servers");
    let server = authority.sign("node", ExtendedKeyUsagePurpose::ServerAuth);
    let other = authority.sign("node", ExtendedKeyUsagePurpose::ServerAuth);
    type Change<'a> = &'a dyn Fn(&mut Config, &Path);
    let changes: [(&str, Change<'_>); 5] = [
        ("tls.certificate", &|config, _| config.tls.certificate = Some("/no/such.pem".into())),
        ("tls.certificate", &|config, folder| config.tls.certificate = write(folder, "empty.pem", "nothing")),
        ("tls.private_key", &|config, folder| config.tls.private_key = write(folder, "empty.pem", "nothing")),
        ("tls.private_key", &|config, folder| config.tls.private_key = write(folder, "other.pem", &other.key)),
        ("tls.client_ca", &|config, folder| config.tls.client_ca = write(folder, "none.pem", "nothing")),
    ];
    for (says, change) in changes {
        let mut home = Home::default();
        let folder = home.folder.path().to_owned();
        home.config.tls.certificate = write(&folder, "certificate.pem", &server.certificate);
        home.config.tls.private_key = write(&folder, "key.pem", &server.key);
        change(&mut home.config, &folder);
        let error = home.start_error().await;
        assert_eq!(error.code.name, "CONFIG_INVALID", "{error}");
        assert!(error.to_string().contains(says), "{says}: {error}");
        assert!(!home.data().join("log").exists());
    }
}
