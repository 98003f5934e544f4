//! Mistakes of a configuration: told before anything is made, with their place.

use daybook_server::config::Config;
use daybook_tests::node::Home;

use super::*;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, StartError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("daybook.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), environment).map_err(StartError::from)
}

#[test]
fn keys_that_do_not_exist_are_errors_with_their_place() {
    for (file, says) in [
        ("[log]\npartitons = 4\n", &["partitons", "line 2"][..]),
        ("[lgo]\npartitions = 4\n", &["lgo", "line 1"]),
        ("partitions = 4\n", &["partitions", "line 1"]),
        ("[log]\npartitions = \"many\"\n", &["line 2", "many"]),
        ("[log\n", &["line 1"]),
        ("[log]\nname = \"a b\"\n", &["log.name"]),
        ("[log]\nurl = \"kafka://\"\n", &["log.url"]),
        ("[limits]\ncommand_kib = 4096\n", &["limits.command_kib"]),
        ("[tls]\ncertificate = \"x.pem\"\n", &["tls.private_key"]),
    ] {
        let error = load(file, &[]).unwrap_err();
        is(&error, "CONFIG_INVALID");
        assert!(says.iter().all(|part| error.to_string().contains(part)), "{file}: {error}");
    }
    let error = load("", &[("DAYBOOK_LOG__PARTITONS", "4")]).unwrap_err();
    is(&error, "CONFIG_INVALID");
    assert!(error.to_string().contains("DAYBOOK_LOG__PARTITONS"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_nobody_could_come_in_to_does_not_start() {
    let home = Home::with(|config| config.node.development = false);
    let error = home.start_error().await;
    is(&error, "CONFIG_INVALID");
    assert!(error.to_string().contains("auth.jwks"), "{error}");
    let home = Home::with(|config| config.auth.jwks = "/no/such/file.json".to_owned());
    let error = home.start_error().await;
    is(&error, "TOKEN_KEYS_UNAVAILABLE");
    assert!(error.to_string().contains("/no/such/file.json"), "{error}");
    assert!(!home.data().join("log").exists(), "no log was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_folder_that_cannot_be_made_is_named() {
    let home = Home::default();
    let file = home.folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let home = Home { config: Home::with(|config| config.node.data_dir = file.join("data")).config, ..home };
    let error = home.start_error().await;
    is(&error, "CONFIG_INVALID");
    assert!(error.to_string().contains("node.data_dir"), "{error}");
}
