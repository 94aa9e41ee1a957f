//! The OpenAPI document: what stands above the routes, and the route that serves it.
//!
//! The routes themselves are described by their handlers and by the types of their bodies.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::api::commands::Accepted;
use super::failure::ErrorBody;
use super::server::documented_routes;

const DESCRIPTION: &str = "\
Status, commands, records and changes of a harvestd daemon.

Times are in UTC. Most of them are on the daemon's clock; watermarks and datestamps are on the clock \
of the repository. Versions need 64 bits: read them as integers, not as floating point numbers. \
Unknown arguments are refused.";

const TOKEN: &str = "\
The `token` under `[daemon]` in the configuration. Without one, every command is refused. Requests \
that the page of another site sends are refused in any case.";

/// The parts of the document that belong to no route.
#[derive(OpenApi)]
#[openapi(
    info(title = "harvestd", description = DESCRIPTION),
    components(schemas(ErrorBody, Accepted)),
    modifiers(&Token),
    tags(
        (name = "Status", description = "What the daemon has and does."),
        (name = "Commands", description = "What a person or a script may ask of the daemon."),
        (name = "Records", description = "Records of the store, and their changes."),
        (name = "Health", description = "Checks for service managers, and metrics."),
        (name = "Pages", description = "HTML for people."),
    )
)]
struct Base;

/// Adds the token that commands need.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(TOKEN))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
    }
}

/// The document without routes.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    Base::openapi()
}

/// The whole document as JSON.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let document = documented_routes().into_openapi();
    document.to_json().expect("the document has only text keys")
});

/// Get this document
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "Status",
    responses((status = 200, description = "The document.", body = serde_json::Value))
)]
pub(super) async fn get_openapi() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, DOCUMENT.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> serde_json::Value {
        serde_json::from_str(&DOCUMENT).unwrap()
    }

    /// Calls `check` with method, path and description of each operation.
    fn each_operation(check: impl Fn(&str, &str, &serde_json::Value)) {
        for (path, item) in document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                check(method, path, operation);
            }
        }
    }

    #[test]
    fn every_operation_is_described() {
        let document = document();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(document["paths"].as_object().unwrap().len() > 25);
        each_operation(|method, path, operation| {
            let name = format!("{method} {path}: {operation:#}");
            assert!(operation["summary"].is_string(), "{name}");
            assert!(operation["responses"].is_object(), "{name}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let description = parameter["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{name}");
            }
        });
    }

    #[test]
    fn every_part_of_a_path_is_a_parameter() {
        each_operation(|method, path, operation| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_path = parameters.filter(|parameter| parameter["in"] == "path");
            let expected = path.matches('{').count();
            assert_eq!(in_path.count(), expected, "{method} {path}");
        });
    }

    #[test]
    fn commands_need_the_token() {
        each_operation(|method, path, operation| {
            // Forms of pages have a field for the token.
            let is_command = method == "post" && path.starts_with("/api/");
            assert_eq!(
                operation["security"].is_array(),
                is_command,
                "{method} {path}"
            );
        });
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let names = std::cell::RefCell::new(std::collections::BTreeSet::new());
        each_operation(|method, path, operation| {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            assert!(names.borrow_mut().insert(name), "{method} {path}");
        });
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        for part in DOCUMENT.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
