//! Which pages of other origins may call, by the [CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol): those
//! of `listen.cors_origins`. Whether a call is answered is decided by its token; this only tells browsers what a page may
//! send and read. Cookies and other credentials of a browser play no part.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, Vary};

use crate::config::ConfigError;

/// How long a browser may go without asking again. Chromium takes no longer one.
const MAX_AGE: Duration = Duration::from_secs(7_200);

/// What a page may send: the headers of the generated TypeScript client, and those of Connect's clients and of tracing.
const HEADERS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    HeaderName::from_static("connect-protocol-version"),
    HeaderName::from_static("connect-timeout-ms"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// What browsers are told, once for the methods and once for what other programs' SDKs call.
pub(super) struct Cors {
    /// Nothing, as long as no origin is named.
    pub(super) methods: Option<CorsLayer>,
    /// Any page may send events as long as no origin is named: those SDKs are made for that.
    pub(super) sources: CorsLayer,
}

impl Cors {
    pub(super) fn of(origins: &[HeaderValue]) -> Self {
        if origins.is_empty() {
            let any = layer([Method::POST]).allow_origin(AllowOrigin::any()).vary(Vary::list([]));
            return Self { methods: None, sources: any };
        }
        let named = AllowOrigin::list(origins.to_vec());
        Self {
            methods: Some(layer([Method::GET, Method::POST]).allow_origin(named.clone())),
            sources: layer([Method::POST]).allow_origin(named),
        }
    }
}

fn layer(methods: impl IntoIterator<Item = Method>) -> CorsLayer {
    let methods: Vec<_> = methods.into_iter().collect();
    CorsLayer::new()
        .allow_methods(methods)
        .allow_headers(AllowHeaders::list(HEADERS))
        .max_age(MAX_AGE)
        .vary(Vary::list([header::ORIGIN]))
}

/// Reads the origins of the setting.
///
/// # Errors
/// One is not written as browsers send origins: scheme, host, and a port unless it is the scheme's own.
pub fn cors_origins(setting: &[String]) -> Result<Vec<HeaderValue>, ConfigError> {
    setting.iter().map(|origin| read(origin)).collect()
}

fn read(origin: &str) -> Result<HeaderValue, ConfigError> {
    let wrong = |why: &str| ConfigError(format!("listen.cors_origins: {origin:?} {why}"));
    const FORM: &str = "is no origin; give it scheme and host as browsers send them, as in \"https://app.example.com\"";
    if origin.contains('*') {
        return Err(wrong("would let pages of anybody call; name each origin that may"));
    }
    let (scheme, host) = origin.split_once("://").ok_or_else(|| wrong(FORM))?;
    if host.contains(['/', '?', '#']) {
        return Err(wrong("has a path; an origin is scheme, host and port alone, without a slash at its end"));
    }
    // Browsers compare nothing: what they send must be here letter by letter.
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    if !default_port.is_empty() && host.ends_with(default_port) {
        return Err(wrong("has the port that its scheme has anyway; browsers leave it out, so leave it out here"));
    }
    let is_uri = origin.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    if !is_uri || host.contains('@') || origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(wrong(FORM));
    }
    HeaderValue::from_str(origin).map_err(|_| wrong(FORM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for good in [
            "https://app.example.com",
            "http://localhost:5173",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
        ] {
            assert_eq!(read(good).unwrap(), good);
        }
        for (bad, says) in [
            ("*", "anybody"),
            ("https://*.example.com", "anybody"),
            ("https://app.example.com/", "has a path"),
            ("https://app.example.com/app", "has a path"),
            ("https://app.example.com?x", "has a path"),
            ("https://app.example.com:443", "port"),
            ("http://app.example.com:80", "port"),
            ("https://App.example.com", "as browsers send them"),
            ("https://user@app.example.com", "as browsers send them"),
            ("https://bücher.example", "as browsers send them"),
            ("app.example.com", "as browsers send them"),
            ("https://", "as browsers send them"),
            ("https://a b", "as browsers send them"),
            ("https://a\nb", "as browsers send them"),
            ("null", "as browsers send them"),
            ("", "as browsers send them"),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("listen.cors_origins") && error.contains(says), "{bad}: {error}");
        }
    }
}
