//! Objects in a bucket of an S3 service.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart};

use crate::files::{Sum, Summing};
use crate::objects::Refused;

/// How an S3 service is reached. What is empty comes from the environment, by the names that every S3 client knows:
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`; on a machine of a
/// cloud also from its own identity.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct S3Options {
    /// URL of a service other than Amazon's.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// Access key id and secret.
    pub credentials: Option<(String, String)>,
}

/// Says nothing of the secret.
impl std::fmt::Debug for S3Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A file above this is sent in parts of this size, in bytes.
const PART_BYTES: usize = 8 << 20;
/// Parts that are under way at once.
const PARTS_AT_ONCE: usize = 4;

#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
}

impl Bucket {
    /// `place` is the bucket's name, with the prefix behind a slash.
    pub(crate) fn new(place: &str, options: &S3Options) -> Result<Self, String> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let client = ClientOptions::new()
            .with_connect_timeout(Duration::from_secs(5))
            // Of one request with its body: a part, or a whole file on the way back.
            .with_timeout(Duration::from_secs(600));
        let retry = RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() };
        let mut builder =
            AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).with_client_options(client);
        let endpoint = match options.endpoint.as_str() {
            "" => std::env::var("AWS_ENDPOINT_URL").unwrap_or_default(),
            endpoint => endpoint.to_owned(),
        };
        if !endpoint.is_empty() {
            // The object store's operator chose plain HTTP; the bytes are checked against their hashes all the same.
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        if !options.region.is_empty() {
            builder = builder.with_region(options.region.as_str());
        }
        if let Some((id, secret)) = &options.credentials {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let store = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { store: Arc::new(store), prefix: prefix.trim_matches('/').to_owned() })
    }

    fn key(&self, name: &str) -> Key {
        Key::from(if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) })
    }

    pub(crate) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), Refused> {
        self.store.put(&self.key(name), bytes.into()).await.map(|_| ()).map_err(there)
    }

    pub(crate) async fn put_file(&self, name: &str, file: &Path) -> Result<Sum, Refused> {
        let here = |error: io::Error| Refused::Here(file.to_owned(), error);
        let mut reader = File::open(file).map_err(here)?;
        let mut summing = Summing::default();
        let first = read_part(&mut reader).await.map_err(here)?;
        summing.add(&first);
        if first.len() < PART_BYTES {
            self.store.put(&self.key(name), Bytes::from(first).into()).await.map_err(there)?;
            return Ok(summing.sum());
        }
        let upload = self.store.put_multipart(&self.key(name)).await.map_err(there)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut part = first;
        while !part.is_empty() {
            upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(there)?;
            upload.put(Bytes::from(part));
            part = read_part(&mut reader).await.map_err(here)?;
            summing.add(&part);
        }
        upload.finish().await.map_err(there)?;
        Ok(summing.sum())
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Option<Bytes>, Refused> {
        match self.store.get(&self.key(name)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(there),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(there(error)),
        }
    }

    pub(crate) async fn get_file(&self, name: &str, into: &Path) -> Result<Option<Sum>, Refused> {
        let here = |error: io::Error| Refused::Here(into.to_owned(), error);
        let found = match self.store.get(&self.key(name)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(there(error)),
        };
        let mut out = File::create(into).map_err(here)?;
        let mut summing = Summing::default();
        let mut stream = found.into_stream();
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(there)?;
            summing.add(&bytes);
            out.write_all(&bytes).map_err(here)?;
        }
        out.sync_all().map_err(here)?;
        Ok(Some(summing.sum()))
    }

    pub(crate) async fn list(&self, below: &str) -> Result<Vec<String>, Refused> {
        let key = self.key(below);
        let objects: Vec<_> = self.store.list(Some(&key)).try_collect().await.map_err(there)?;
        let own = if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) };
        let name = |key: &Key| key.as_ref().strip_prefix(&own).map(str::to_owned);
        Ok(objects.iter().filter_map(|object| name(&object.location)).collect())
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), Refused> {
        match self.store.delete(&self.key(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(there(error)),
        }
    }
}

/// The next part of a file; shorter only at its end.
async fn read_part(from: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::with_capacity(PART_BYTES);
    from.take(PART_BYTES as u64).read_to_end(&mut part)?;
    Ok(part)
}

fn there(error: Error) -> Refused {
    // The cause stands at the end of the chain.
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    Refused::There(text)
}
