//! From an address to a store: its settings and credentials are where the vendors' own tools find them.

use std::collections::HashMap;
use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use reqwest::Url;

use super::client::Connector;
use super::credentials::{is_any_set, is_true, of_the_machine};
use super::profile;
use crate::error::{Error, Result};
use crate::objects::{Address, Scheme};

/// A bucket, and how it is asked.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) client: Arc<dyn ObjectStore>,
    pub(super) scheme: Scheme,
    pub(super) bucket: String,
    /// Who answers for it.
    pub(super) host: String,
    pub(super) access: Access,
}

/// As whom a store is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// As somebody.
    Signed,
    /// As nobody, as the settings say.
    Unsigned,
    /// As nobody, since no credentials were found.
    Unknown,
}

impl Access {
    fn of(signed: bool, unsigned: bool) -> Self {
        match (signed, unsigned) {
            (_, true) => Self::Unsigned,
            (true, false) => Self::Signed,
            (false, false) => Self::Unknown,
        }
    }

    fn is_signed(self) -> bool {
        self == Self::Signed
    }
}

/// A store with its host, and as whom it is asked.
type Made = (Arc<dyn ObjectStore>, String, Access);

/// The store of an address; all addresses of a bucket have one, with its connections and tokens.
pub(super) fn of(address: &Address) -> Result<Arc<Store>> {
    type Known = HashMap<(Scheme, String, Option<String>), Arc<Store>>;
    static KNOWN: OnceLock<Mutex<Known>> = OnceLock::new();
    let (scheme, bucket) = (address.scheme(), address.bucket().to_owned());
    let key = (scheme, bucket.clone(), address.query().map(str::to_owned));
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = known.get(&key) {
        return Ok(store.clone());
    }
    let made = match scheme {
        Scheme::S3 => s3(&bucket),
        Scheme::Gcs => gcs(&bucket),
        Scheme::Azure => azure(&bucket),
        Scheme::Http => web(address),
    };
    let (client, host, access) = made.map_err(|error| error.at(&address.name()))?;
    let bucket = if scheme == Scheme::Http { host.clone() } else { bucket };
    let store = Arc::new(Store { client, scheme, bucket, host, access });
    known.insert(key, store.clone());
    Ok(store)
}

/// What is asked again within a request: a server that is busy, a connection that breaks.
fn retry() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(5),
        base: 2.,
    };
    RetryConfig { backoff, max_retries: 5, retry_timeout: Duration::from_secs(60) }
}

fn options() -> ClientOptions {
    // Connections are made by a client of our own, which does as it is told by nobody.
    ClientOptions::new().with_allow_http(true)
}

/// What a library says of settings of the environment is for programmers; which ones they are is not.
fn wrong(variables: &str) -> impl Fn(object_store::Error) -> Error + '_ {
    move |_| Error::usage(format!("the settings in {variables} are not valid"))
}

fn host(url: &str) -> Result<String> {
    let url = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    url.ok_or_else(|| {
        Error::usage("the address of the endpoint is not valid; it is to be like https://HOST:PORT")
    })
}

fn s3(bucket: &str) -> Result<Made> {
    let profile = profile::read()?;
    let mut builder = AmazonS3Builder::from_env()
        .with_client_options(options())
        .with_retry(retry())
        .with_http_connector(Connector { follows: false })
        .with_bucket_name(bucket)
        // One object a request: what is removed is known one by one.
        .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true");
    let fill = |builder: AmazonS3Builder, key: AmazonS3ConfigKey, name: &str| match (
        builder.get_config_value(&key).filter(|value| !value.is_empty()),
        profile.get(name),
    ) {
        (None, Some(value)) => builder.with_config(key, value),
        _ => builder,
    };
    let has_keys = is_any_set(&["AWS_ACCESS_KEY_ID"]);
    if !has_keys {
        builder = fill(builder, AmazonS3ConfigKey::AccessKeyId, "aws_access_key_id");
        builder = fill(builder, AmazonS3ConfigKey::SecretAccessKey, "aws_secret_access_key");
        builder = fill(builder, AmazonS3ConfigKey::Token, "aws_session_token");
    }
    if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none()
        && let Some(region) = env::var("AWS_DEFAULT_REGION").ok().filter(|region| !region.is_empty())
    {
        builder = builder.with_config(AmazonS3ConfigKey::Region, region);
    }
    builder = fill(builder, AmazonS3ConfigKey::Region, "region");
    builder = fill(builder, AmazonS3ConfigKey::Endpoint, "endpoint_url");
    let value = |key: AmazonS3ConfigKey| builder.get_config_value(&key).filter(|value| !value.is_empty());
    let region = value(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
    let host = match value(AmazonS3ConfigKey::S3Endpoint).or_else(|| value(AmazonS3ConfigKey::Endpoint)) {
        Some(endpoint) => host(&endpoint)?,
        None => format!("s3.{region}.amazonaws.com"),
    };
    let own = value(AmazonS3ConfigKey::AccessKeyId).is_some()
        || is_any_set(&[
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ]);
    if !own && let Some(error) = profile::elsewhere(&profile) {
        return Err(error);
    }
    let access = Access::of(own || of_the_machine(), is_true("AWS_SKIP_SIGNATURE"));
    let store = builder.with_skip_signature(!access.is_signed()).build();
    let store = store.map_err(wrong("the variables AWS_…, ~/.aws/config and ~/.aws/credentials"))?;
    Ok((Arc::new(store), host, access))
}

fn gcs(bucket: &str) -> Result<Made> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_client_options(options())
        .with_retry(retry())
        .with_http_connector(Connector { follows: false })
        .with_bucket_name(bucket);
    if let Ok(emulator) = env::var("STORAGE_EMULATOR_HOST") {
        let url = if emulator.contains("://") { emulator } else { format!("http://{emulator}") };
        builder = builder
            .with_config(GoogleConfigKey::BaseUrl, url.trim_end_matches('/'))
            .with_skip_signature(true)
            // What is written is never without one.
            .with_bearer_token("emulator");
    }
    let base = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    let host = host(base.as_deref().unwrap_or("https://storage.googleapis.com"))?;
    let default = env::var_os("HOME")
        .map(|home| PathBuf::from(home).join(".config/gcloud/application_default_credentials.json"));
    let own = is_any_set(&[
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_BEARER_TOKEN",
        "SERVICE_ACCOUNT",
    ]) || default.is_some_and(|path| path.exists());
    let skips = builder.get_config_value(&GoogleConfigKey::SkipSignature).as_deref() == Some("true");
    let access = Access::of(own || of_the_machine(), skips);
    let store = builder.with_skip_signature(!access.is_signed()).build();
    let store = store.map_err(wrong("GOOGLE_APPLICATION_CREDENTIALS, and the file that it names,"))?;
    Ok((Arc::new(store), host, access))
}

fn azure(container: &str) -> Result<Made> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_client_options(options())
        .with_retry(retry())
        .with_http_connector(Connector { follows: false })
        .with_container_name(container);
    // The names that az takes.
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    for (name, key) in [
        ("AZURE_STORAGE_ACCOUNT", AzureConfigKey::AccountName),
        ("AZURE_STORAGE_KEY", AzureConfigKey::AccessKey),
    ] {
        if let (None, Some(value)) = (builder.get_config_value(&key), variable(name)) {
            builder = builder.with_config(key, value);
        }
    }
    for pair in variable("AZURE_STORAGE_CONNECTION_STRING").iter().flat_map(|text| text.split(';')) {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let key = match name.to_ascii_lowercase().as_str() {
            "accountname" => AzureConfigKey::AccountName,
            "accountkey" => AzureConfigKey::AccessKey,
            "sharedaccesssignature" => AzureConfigKey::SasKey,
            "blobendpoint" => AzureConfigKey::Endpoint,
            _ => continue,
        };
        if builder.get_config_value(&key).is_none() {
            builder = builder.with_config(key, value);
        }
    }
    let value = |key: AzureConfigKey| builder.get_config_value(&key).filter(|value| !value.is_empty());
    let emulated = is_true("AZURE_STORAGE_USE_EMULATOR");
    let account = match value(AzureConfigKey::AccountName) {
        Some(account) => account,
        None if emulated => "devstoreaccount1".to_owned(),
        None => {
            return Err(Error::usage(
                "nobody says in which account the container is; set AZURE_STORAGE_ACCOUNT_NAME",
            ));
        }
    };
    let host = match value(AzureConfigKey::Endpoint) {
        _ if emulated => {
            host(&variable("AZURITE_BLOB_STORAGE_URL").unwrap_or_else(|| "http://127.0.0.1".to_owned()))?
        }
        Some(endpoint) => host(&endpoint)?,
        None => format!("{account}.blob.core.windows.net"),
    };
    let own = emulated
        || [
            AzureConfigKey::AccessKey,
            AzureConfigKey::SasKey,
            AzureConfigKey::Token,
            AzureConfigKey::ClientSecret,
            AzureConfigKey::FederatedTokenFile,
        ]
        .into_iter()
        .any(|key| value(key).is_some())
        || is_true("AZURE_USE_AZURE_CLI")
        || is_any_set(&["IDENTITY_ENDPOINT"]);
    let skips = value(AzureConfigKey::SkipSignature).as_deref() == Some("true");
    let access = Access::of(own || of_the_machine(), skips);
    let store = builder.with_skip_signature(!access.is_signed()).build();
    let store = store.map_err(wrong("the variables AZURE_STORAGE_…"))?;
    Ok((Arc::new(store), host, access))
}

fn web(address: &Address) -> Result<Made> {
    let url = match address.query() {
        Some(query) => format!("{}/?{query}", address.bucket()),
        None => format!("{}/", address.bucket()),
    };
    let host = host(&url)
        .map_err(|_| Error::usage("it is not a web address; it is to be like https://HOST/FILE"))?;
    let store = HttpBuilder::new()
        .with_url(url)
        .with_client_options(options())
        .with_retry(retry())
        .with_http_connector(Connector { follows: true })
        .build()
        .map_err(|_| Error::usage("it is not a web address; it is to be like https://HOST/FILE"))?;
    Ok((Arc::new(store), host, Access::Signed))
}
