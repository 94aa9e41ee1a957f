//! Every route, and serving them until the daemon stops.

use std::sync::Arc;

use axum::{Router, middleware};
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::{changes, commands, health, records, search, status};
use super::listener::{self, Connections, Limits};
use super::{Context, Ctx, Shared, failure, guard, headers, metrics, openapi, pages, provider};

/// Serves requests on `listener` until the daemon stops.
pub(in crate::daemon) async fn serve(listener: TcpListener, limits: Limits, shared: Shared) {
    let stop = shared.stop.clone();
    let connections = Arc::new(Connections::new(limits));
    let router = router(shared, Arc::clone(&connections));
    listener::serve(listener, router, connections, stop).await;
}

fn router(shared: Shared, connections: Arc<Connections>) -> Router {
    let provider = shared.provider.clone();
    let context = Arc::new(Context::new(shared, connections));
    let (mut router, _document) = documented_routes().split_for_parts();
    if let Some((provider, path)) = provider {
        router = router.merge(provider::routes(provider, &path));
    }
    router
        .fallback(failure::no_such_path)
        .method_not_allowed_fallback(failure::wrong_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&context),
            guard::check,
        ))
        .layer(middleware::from_fn(headers::add))
        .with_state(context)
}

/// Every route, with the document that describes them.
pub(super) fn documented_routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(pages::status_page))
        .routes(routes!(pages::source_page, pages::send_source_form))
        .routes(routes!(pages::pass_page))
        .routes(routes!(pages::output_page, pages::send_output_form))
        .routes(routes!(pages::export_page, pages::send_export_form))
        .routes(routes!(pages::outputs_page))
        .routes(routes!(pages::quarantine_list_page))
        .routes(routes!(pages::duplicates_page))
        .routes(routes!(pages::review_page, pages::send_review_form))
        .routes(routes!(pages::api_page))
        .routes(routes!(pages::sign_in_page, pages::sign_in))
        .routes(routes!(pages::sign_out))
        .routes(routes!(pages::search_page))
        .routes(routes!(pages::record_page))
        .routes(routes!(pages::quarantine_page))
        .routes(routes!(pages::style))
        .routes(routes!(pages::script))
        .routes(routes!(pages::icon))
        .routes(routes!(pages::alarm_icon))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::get_metrics))
        .routes(routes!(openapi::get_openapi))
        .routes(routes!(status::get_status))
        .routes(routes!(status::list_sources))
        .routes(routes!(status::get_source))
        .routes(routes!(status::get_pass))
        .routes(routes!(status::list_outputs))
        .routes(routes!(status::get_output))
        .routes(routes!(commands::run_source))
        .routes(routes!(commands::pause_source))
        .routes(routes!(commands::resume_source))
        .routes(routes!(commands::reconcile_source))
        .routes(routes!(commands::confirm_deletions))
        .routes(routes!(commands::push_output))
        .routes(routes!(commands::run_export))
        .routes(routes!(search::search))
        .routes(routes!(records::get_records))
        .routes(routes!(records::get_quarantined_bytes))
        .routes(routes!(changes::get_changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PAGES;

    #[test]
    fn the_provider_can_have_no_path_of_a_page() {
        let document = documented_routes().into_openapi();
        for path in document.paths.paths.keys().filter(|path| *path != "/") {
            let first = path.split('/').nth(1).unwrap_or_default();
            assert!(PAGES.contains(&first), "{path}");
        }
    }
}
