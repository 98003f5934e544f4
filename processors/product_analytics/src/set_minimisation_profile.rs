//! Setting how a tenant's events are minimised. Holds for what is recorded from then on.

use daybook_event_rules::profile;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{self, MinimisationProfile};
use product_analytics_projection::{Event, NAMESPACE, ProductAnalytics, Tables};

/// Sets the profile.
#[derive(Debug, Clone)]
pub struct SetMinimisationProfile {
    profile: MinimisationProfile,
}

impl Command for SetMinimisationProfile {
    type Request = v1::SetMinimisationProfileRequest;
    type Response = v1::SetMinimisationProfileResponse;
    type Projection = ProductAnalytics;
    const KIND: &'static str = "SetMinimisationProfile";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let mut profile = fields.required("profile", request.profile);
        fields.inside("profile", profile::check(&profile));
        profile.purposes_without_consent.sort();
        profile.purposes_without_consent.dedup();
        fields.finish(Self { profile })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Profile", "profile")))
    }

    fn decide(&self, _: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        ctx.requires(crate::LEVEL)?;
        let profile = Some(self.profile.clone());
        Ok(vec![Event::MinimisationProfileSet(v1::MinimisationProfileSet { profile })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::SetMinimisationProfileResponse { receipt: None })
    }
}
