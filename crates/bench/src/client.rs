//! A caller of a node, by gRPC over several connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use daybook_proto::legal_hold::v1::{
    RetentionAction, RetentionClass, SetRetentionClassRequest, SetRetentionClassResponse,
};
use daybook_proto::platform::v1::{CreateTenantRequest, CreateTenantResponse};
use daybook_server::auth::development::{DevelopmentKey, TokenRequest};
use prost::Message;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::items::CLASS;

/// Connections to a node. Callers share them.
pub(crate) const CONNECTIONS: usize = 8;

pub(crate) const REGISTER_ITEM: &str = "/daybook.legal_hold.v1.LegalHoldService/RegisterItem";
pub(crate) const REGISTER_ITEMS: &str = "/daybook.legal_hold.v1.LegalHoldService/RegisterItems";
pub(crate) const PLACE_HOLD: &str = "/daybook.legal_hold.v1.LegalHoldService/PlaceHold";
pub(crate) const GET_STATUS: &str = "/daybook.node.v1.NodeService/GetStatus";
pub(crate) const SET_PROFILE: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/SetMinimisationProfile";
pub(crate) const SET_SCHEMAS: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/SetEventSchemas";
pub(crate) const RECORD_EVENTS: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/RecordEvents";
pub(crate) const QUERY_METRIC: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/QueryMetric";
pub(crate) const EXPORT_EVENTS: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/ExportEvents";
pub(crate) const GET_EVENT_EXPORT: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/GetEventExport";
const SET_RETENTION_CLASS: &str = "/daybook.legal_hold.v1.LegalHoldService/SetRetentionClass";
const CREATE_TENANT: &str = "/daybook.platform.v1.PlatformService/CreateTenant";
/// The tenant whose token asks how a node stands.
pub(crate) const PLATFORM: &str = "platform";

/// A token for a tenant, with roles in it, of a development node.
pub(crate) fn token(data: &Path, tenant: &str, subject: &str, roles: &[&str]) -> Result<MetadataValue<Ascii>> {
    let key = DevelopmentKey::open(data).map_err(|error| anyhow!(error))?;
    let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
    let token = key.mint(&TokenRequest {
        subject,
        tenants: &[tenant.to_owned()],
        roles: &roles,
        service: true,
        valid_for: Duration::from_secs(3_600),
    });
    Ok(format!("Bearer {}", token.map_err(|error| anyhow!(error))?).parse()?)
}

/// Connections to a node and a token for each tenant.
pub(crate) struct Client {
    channels: Vec<Channel>,
    tokens: BTreeMap<String, MetadataValue<Ascii>>,
}

impl Client {
    /// Connects to a development node and creates the tenants on it.
    pub(crate) async fn connect(address: &str, data: &Path, tenants: &[String]) -> Result<Self> {
        let client = Self::lazy(address, data, tenants)?;
        client.create(tenants).await?;
        Ok(client)
    }

    /// Connections to a development node, made when they are needed. Its data folder holds the key for tokens.
    pub(crate) fn lazy(address: &str, data: &Path, tenants: &[String]) -> Result<Self> {
        let mut tokens = BTreeMap::new();
        for tenant in tenants.iter().map(String::as_str).chain([PLATFORM]) {
            let roles: &[&str] = match tenant {
                PLATFORM => &["admin"],
                _ => &["records-manager", "product", "privacy"],
            };
            tokens.insert(tenant.to_owned(), token(data, tenant, "benchmark", roles)?);
        }
        Self::with(address, tokens)
    }

    /// A caller with one token.
    pub(crate) fn with_token(address: SocketAddr, tenant: &str, token: &MetadataValue<Ascii>) -> Result<Self> {
        Self::with(&address.to_string(), BTreeMap::from([(tenant.to_owned(), token.clone())]))
    }

    fn with(address: &str, tokens: BTreeMap<String, MetadataValue<Ascii>>) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let channels = (0..CONNECTIONS).map(|_| endpoint.connect_lazy()).collect();
        Ok(Self { channels, tokens })
    }

    /// The same connections and tokens.
    pub(crate) fn again(&self) -> Self {
        Self { channels: self.channels.clone(), tokens: self.tokens.clone() }
    }

    /// Creates tenants, each with the retention class of the items.
    pub(crate) async fn create(&self, tenants: &[String]) -> Result<()> {
        for tenant in tenants {
            let request = CreateTenantRequest { new_tenant_id: tenant.clone(), ..Default::default() };
            let _: CreateTenantResponse = self.call(0, CREATE_TENANT, PLATFORM, request).await?;
        }
        let request = SetRetentionClassRequest {
            retention_class: Some(RetentionClass {
                retention_class_id: CLASS.to_owned(),
                period: Some(prost_types::Duration { seconds: 50 * 366 * 86_400, nanos: 0 }),
                action: RetentionAction::Delete.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        for tenant in tenants {
            // A tenant is known a little later on the partition of its own stream.
            loop {
                let answer: Result<SetRetentionClassResponse> =
                    self.call(0, SET_RETENTION_CLASS, tenant, request.clone()).await;
                match answer {
                    Ok(_) => break,
                    Err(error) if Instant::now() > deadline => return Err(error),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        }
        Ok(())
    }

    /// Calls a method for a tenant, on the connection of a caller. A rejection is an error.
    pub(crate) async fn call<Q, R>(&self, caller: usize, path: &'static str, tenant: &str, request: Q) -> Result<R>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let Some(channel) = self.channels.get(caller % self.channels.len()) else { bail!("there is no connection") };
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await.context("connecting")?;
        let mut request = Request::new(request);
        let token = self.tokens.get(tenant).context("there is no token for this tenant")?;
        request.metadata_mut().insert("authorization", token.clone());
        let codec = tonic_prost::ProstCodec::<Q, R>::default();
        Ok(grpc.unary(request, PathAndQuery::from_static(path), codec).await?.into_inner())
    }
}
