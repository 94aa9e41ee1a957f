//! The report on duplicates: a sample of matches that people judge, two records side by side, and how many
//! matches are right by it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::components::{badge, cards, record_address, with_arguments};
use super::failure::{PageResponses, PageResult};
use super::form::{CommandResult, FormResponses, permit};
use super::frame::{Nav, Page, redirect, respond};
use super::verdict::Tone;
use super::visitor::{Access, Visitor};
use super::words;
use crate::daemon::http::arguments::{self, Number};
use crate::daemon::http::render::{MAX_FIELD_BYTES, shorten};
use crate::daemon::http::{Context, Ctx, Failure};
use crate::dedup::evidence::{Judged, estimate};
use crate::dedup::table::RULES;
use crate::store::{
    COMPARED_FIELDS, ClusterState, Compared, PairFilter, Review, ReviewPair, ReviewedRule,
    SampleFilter, Store,
};

/// The address of the page.
pub(super) const ADDRESS: &str = "/duplicates/review";

/// Matches on the page.
const PAIRS: u32 = 5;

/// The sizes of a sample to choose from: matches of each rule.
const SIZES: [u64; 3] = [10, 30, 100];

/// A sample of a small store is there by then, and the page shows it at once.
const WAIT_FOR_SAMPLE: Duration = Duration::from_secs(2);

/// The author of decisions that are taken on the page.
const WHO: &str = "status page";

/// The query of the page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::daemon::http) struct ReviewQuery {
    /// Only matches of this rule.
    #[param(value_type = String, required = false)]
    rule: Option<String>,
    /// Matches that were judged, instead of those that were not.
    #[serde(default)]
    #[param(value_type = bool, required = false)]
    judged: bool,
    /// Only the match with this number.
    #[param(value_type = usize, required = false)]
    pair: Option<Number>,
    /// The button that was pressed just now.
    #[param(value_type = ReviewAction, required = false)]
    done: Option<ReviewAction>,
}

/// The buttons of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon::http) enum ReviewAction {
    /// Draw the sample, of the store as it is now.
    Draw,
    /// The two records are one work.
    Join,
    /// They are two works.
    Split,
}

/// What the forms of the page send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::daemon::http) struct ReviewForm {
    /// The button that was pressed.
    action: ReviewAction,
    /// The number of the match to join or to split.
    #[schema(value_type = usize, required = false)]
    pair: Option<Number>,
    /// How many matches of each rule to draw; 10 without it.
    #[schema(value_type = usize, required = false)]
    size: Option<Number>,
    /// The rule whose matches the page shows afterwards.
    #[schema(required = false)]
    rule: Option<String>,
    /// The token from the configuration; not needed with the cookie of a session.
    token: Option<String>,
}

/// Show the report on duplicates
#[utoipa::path(
    get,
    path = "/duplicates/review",
    tag = "Pages",
    params(ReviewQuery),
    responses(PageResponses)
)]
pub(in crate::daemon::http) async fn review_page(
    State(context): State<Ctx>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query: ReviewQuery = arguments::read(&query.unwrap_or_default())?;
    let visitor = Visitor::of(&context, &headers);
    let result = query.done.map(|action| match action {
        ReviewAction::Draw => {
            CommandResult::Accepted("The sample is drawn, or will be in a moment.")
        }
        ReviewAction::Join => CommandResult::Accepted("Stored: they are one work."),
        ReviewAction::Split => CommandResult::Accepted("Stored: they are two works."),
    });
    Ok(draw_page(&context, query, &visitor, StatusCode::OK, result).await?)
}

/// Judge a match, or draw the sample
///
/// What people decide about two records is above all rules from then on.
#[utoipa::path(
    post,
    path = "/duplicates/review",
    tag = "Pages",
    request_body(content = ReviewForm, content_type = "application/x-www-form-urlencoded"),
    responses(FormResponses)
)]
pub(in crate::daemon::http) async fn send_review_form(
    State(context): State<Ctx>,
    headers: HeaderMap,
    body: Bytes,
) -> PageResult {
    let form: ReviewForm = arguments::read_form(&body)?;
    let visitor = Visitor::of(&context, &headers);
    let done = match permit(&context, &visitor, form.token.as_deref()).await {
        Ok(()) => carry_out(&context, &form).await,
        Err(failure) => Err(failure),
    };
    let query = ReviewQuery {
        rule: form.rule.clone(),
        ..ReviewQuery::default()
    };
    if let Err(failure) = done {
        let refused = Some(CommandResult::Refused(failure.message.clone()));
        let mut response = draw_page(&context, query, &visitor, failure.status, refused).await?;
        failure.add_challenge(&mut response);
        return Ok(response);
    }
    let action = match form.action {
        ReviewAction::Draw => "draw",
        ReviewAction::Join => "join",
        ReviewAction::Split => "split",
    };
    let rule = query.rule.as_deref().unwrap_or_default();
    let page = with_arguments(ADDRESS, &[("rule", rule), ("done", action)]);
    Ok(redirect(&page).ok_or_else(|| Failure::not_found("this page does not exist"))?)
}

async fn carry_out(context: &Context, form: &ReviewForm) -> Result<(), Failure> {
    let now_ms = context.shared.registry.now_ms();
    let is_right = match form.action {
        ReviewAction::Draw => {
            let size = form.size.map_or(SIZES[0], |Number(size)| size);
            return draw(context, size, now_ms).await;
        }
        ReviewAction::Join => true,
        ReviewAction::Split => false,
    };
    let Some(Number(pair)) = form.pair else {
        return Err(Failure::bad_request("argument `pair` is missing"));
    };
    let number = i64::try_from(pair).unwrap_or(i64::MAX);
    let judged = context
        .write(move |store| store.judge_review(number, is_right, WHO, now_ms))
        .await?;
    match judged {
        true => Ok(()),
        false => Err(Failure::not_found(
            "the sample has no match with this number",
        )),
    }
}

/// Begins to draw a sample, and waits for it a little. There is one drawing at a time. It is the same sample
/// while the store stays the same, and a larger one includes a smaller one: what was judged stays of use.
async fn draw(context: &Context, size: u64, now_ms: i64) -> Result<(), Failure> {
    if !SIZES.contains(&size) {
        let [small, middle, large] = SIZES;
        let message = format!("argument `size`: it takes {small}, {middle} or {large}");
        return Err(Failure::bad_request(message));
    }
    let Ok(turn) = std::sync::Arc::clone(&context.drawing).try_acquire_owned() else {
        return Err(Failure::unavailable("a sample is being drawn already"));
    };
    let filter = SampleFilter {
        size: usize::try_from(size).unwrap_or(usize::MAX),
        ..SampleFilter::default()
    };
    let (path, stop) = (context.shared.store.clone(), context.shared.stop.clone());
    let drawing = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let reader = crate::store::Reader::open(&path)?;
        if let Some(sample) = reader.draw_sample(&filter, || stop.is_requested())? {
            Store::open(&path)?.keep_review(&sample, now_ms)?;
        }
        Ok::<_, crate::store::StoreError>(())
    });
    let logged = tokio::spawn(async move {
        let drawn = drawing.await;
        if let Ok(Err(error)) = &drawn {
            tracing::warn!("drawing a sample of matches: {error}");
        }
        drawn
    });
    match tokio::time::timeout(WAIT_FOR_SAMPLE, logged).await {
        Ok(Ok(Ok(drawn))) => Ok(drawn?),
        Ok(_) => Err(Failure::internal("drawing a sample failed")),
        Err(_still_drawing) => Ok(()),
    }
}

/// What the page shows.
struct View {
    state: ClusterState,
    review: Option<Review>,
    pairs: Vec<(ReviewPair, Compared)>,
    query: ReviewQuery,
    is_drawing: bool,
}

async fn draw_page(
    context: &Context,
    query: ReviewQuery,
    visitor: &Visitor,
    status: StatusCode,
    result: Option<CommandResult>,
) -> Result<Response, Failure> {
    let filter = match (query.pair, query.judged) {
        (Some(Number(number)), _) => PairFilter::Number(i64::try_from(number).unwrap_or(i64::MAX)),
        (None, true) => PairFilter::Judged(query.rule.clone()),
        (None, false) => PairFilter::Unjudged(query.rule.clone()),
    };
    let read = context.read(move |reader| {
        let state = reader.cluster_state()?;
        let mut pairs = Vec::new();
        for pair in reader.review_pairs(&filter, PAIRS)? {
            let compared = reader.compared(&pair.a, &pair.b)?;
            pairs.push((pair, compared));
        }
        Ok((state, reader.review()?, pairs))
    });
    let (state, review, pairs) = read.await?;
    let view = View {
        state,
        review,
        pairs,
        query,
        is_drawing: context.drawing.available_permits() == 0,
    };
    Ok(respond(status, page(&view, visitor, result.as_ref())))
}

fn page(view: &View, visitor: &Visitor, result: Option<&CommandResult>) -> Markup {
    let content = html! {
        p class="hint" { a href="/duplicates" { "Duplicates" } }
        h1 { "Judge matches" }
        @if let Some(result) = result { (result.markup()) }
        p class="hint" {
            "Each cluster is held together by matches, and each match was made by a rule. Judge a sample of "
            "them to learn how many are right. What you decide stays above all rules."
        }
        @if view.state != ClusterState::Current {
            p class="notice" { "The clusters are off or not up to date, so that no sample can be drawn now." }
        }
        @if view.is_drawing {
            p class="notice" role="status" { "A sample is being drawn. The page shows it when it is complete." }
        }
        (drawing_form(view, visitor))
        @if let Some(review) = &view.review {
            (result_of(review, visitor))
            (rules(review, &view.query))
            h2 { @match view.query.judged { true => "Judged", false => "To judge" } }
            @if view.pairs.is_empty() { p { "No match of the sample is left here." } }
            @for (pair, compared) in &view.pairs { (one(pair, compared, view, visitor)) }
        }
    };
    let page = Page {
        refresh: view.is_drawing.then_some(5),
        ..Page::of("Judge matches", Nav::Duplicates, visitor)
    };
    page.with(&content)
}

fn drawing_form(view: &View, visitor: &Visitor) -> Markup {
    html! {
        @match visitor.access {
            Access::SignedIn if view.state == ClusterState::Current && !view.is_drawing => {
                form class="filter" method="post" action=(ADDRESS) {
                    label {
                        "Matches of each rule"
                        select name="size" {
                            @for size in SIZES { option value=(size) { (size) } }
                        }
                    }
                    button name="action" value="draw" { "Draw the sample" }
                }
            }
            Access::SignedIn => {}
            Access::SignedOut => {
                p class="hint" {
                    a href=(with_arguments("/sign-in", &[("next", ADDRESS)])) { "Sign in" }
                    " to draw a sample and to judge matches."
                }
            }
            Access::Off => {
                p class="hint" {
                    "Nothing can be judged here, because the configuration has no token. Set " code { "token" }
                    " under " code { "[daemon]" } ", or use " code { "harvestd dedup report" } "."
                }
            }
        }
    }
}

/// How many matches are right by what was judged.
fn result_of(review: &Review, visitor: &Visitor) -> Markup {
    let found: Vec<Judged> = review.rules.iter().map(|rule| rule.found).collect();
    let judged: u64 = found.iter().map(|found| found.judged).sum();
    let sampled: u64 = review.rules.iter().map(|rule| rule.sampled).sum();
    html! {
        dl class="facts" {
            div {
                dt { "Judged" }
                dd {
                    (words::number(judged)) " of " (words::number(sampled))
                    small { "drawn " (visitor.times.ago(review.drawn_at)) }
                }
            }
            div {
                dt { "Right, estimated" }
                dd {
                    @match estimate(&found) {
                        None => { "-" small { "nothing is judged yet" } }
                        Some(estimate) => {
                            (percent(estimate.share))
                            small { (percent(estimate.low)) " to " (percent(estimate.high)) ", 95 % sure" }
                        }
                    }
                }
            }
        }
        @if judged > 0 && found.iter().any(|found| found.judged == 0 && found.links > 0) {
            p class="hint" { "Rules of which nothing is judged are not part of the estimate." }
        }
    }
}

/// A share, rounded down: 99.996 % is not all.
fn percent(share: f64) -> String {
    format!("{:.2} %", (share * 10_000.0).floor() / 100.0)
}

fn rules(review: &Review, query: &ReviewQuery) -> Markup {
    let why: BTreeMap<&str, &str> = RULES.iter().map(|rule| (rule.name, rule.why)).collect();
    let head = html! {
        th scope="col" { "Rule" } th scope="col" class="number" { "Matches" }
        th scope="col" class="number" { "Sample" } th scope="col" class="number" { "Judged" }
        th scope="col" class="number" { "Wrong" }
    };
    let link = |rule: &ReviewedRule, judged: bool, text: &str| {
        let judged = if judged { "true" } else { "" };
        let to = with_arguments(ADDRESS, &[("rule", &rule.rule), ("judged", judged)]);
        html! { a href=(to) { (text) } }
    };
    html! {
        h2 { "Rules, the weakest first" }
        @if let Some(rule) = &query.rule {
            p { "Only " code { (rule) } " is shown below. " a href=(ADDRESS) { "Show all rules" } }
        }
        (cards("Rules", &head, &html! {
            @for rule in &review.rules {
                tr {
                    td class="name" {
                        (link(rule, false, &rule.rule))
                        @if let Some(why) = why.get(rule.rule.as_str()) { small { (why) } }
                    }
                    td class="number" data-label="Matches" { (words::number(rule.found.links)) }
                    td class="number" data-label="Sample" { (words::number(rule.sampled)) }
                    td class="number" data-label="Judged" {
                        @match rule.found.judged {
                            0 => "0",
                            judged => (link(rule, true, &words::number(judged))),
                        }
                    }
                    td class="number" data-label="Wrong" { (words::number(rule.found.wrong)) }
                }
            }
        }))
    }
}

/// Two records side by side.
fn one(pair: &ReviewPair, compared: &Compared, view: &View, visitor: &Visitor) -> Markup {
    let label = format!("Match {}", pair.number);
    let fields = COMPARED_FIELDS
        .iter()
        .zip(compared.a.iter().zip(&compared.b));
    let head = html! {
        th scope="col" { "Field" } th scope="col" { "One record" } th scope="col" { "The other" }
    };
    html! {
        section class="card" id={ "pair-" (pair.number) } {
            h3 {
                (label) ", by " code { (pair.rule) } " "
                @match pair.is_right {
                    None => {}
                    Some(true) => (badge(Tone::Good, "One work")),
                    Some(false) => (badge(Tone::Bad, "Two works")),
                }
            }
            (cards(&label, &head, &html! {
                @for (name, (a, b)) in fields.filter(|(_, (a, b))| !(a.is_empty() && b.is_empty())) {
                    @let differs = compared.differs.contains(name);
                    tr {
                        th scope="row" {
                            (name)
                            @if differs { " " (badge(Tone::Warn, "differs")) }
                        }
                        @for (value, record, side) in [(a, &pair.a, "One record"), (b, &pair.b, "The other")] {
                            td class="text" data-label=(side) {
                                @let shown = shorten(value, MAX_FIELD_BYTES);
                                @if *name == "identifier" {
                                    a href=(record_address(&record.source, &record.identifier)) { (shown) }
                                } @else if differs { mark { (shown) } } @else { (shown) }
                            }
                        }
                    }
                }
            }))
            @if visitor.access == Access::SignedIn {
                form class="actions" method="post" action=(ADDRESS) {
                    input type="hidden" name="pair" value=(pair.number);
                    @if let Some(rule) = &view.query.rule { input type="hidden" name="rule" value=(rule); }
                    button name="action" value="join" { "One work" }
                    button name="action" value="split" { "Two works" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Member, RecordId};

    fn member(number: i64) -> Member {
        Member {
            record: RecordId(number),
            source: "a".to_owned(),
            identifier: format!("oai:x:<{number}>"),
            deleted: false,
        }
    }

    fn view(access: Access) -> (View, Visitor) {
        let side = |title: &str| -> [String; COMPARED_FIELDS.len()] {
            COMPARED_FIELDS.map(|name| match name {
                "title" => title.to_owned(),
                "year" => "2011".to_owned(),
                _ => String::new(),
            })
        };
        let pair = ReviewPair {
            number: 7,
            rule: "title-authors".to_owned(),
            a: member(1),
            b: member(2),
            is_right: None,
        };
        let compared = Compared {
            a: side("Rain & bees"),
            b: side("<b>Sun</b>"),
            differs: vec!["title"],
        };
        let rule = |name: &str, judged, wrong| ReviewedRule {
            rule: name.to_owned(),
            sampled: 10,
            found: Judged {
                links: 1_000,
                judged,
                wrong,
            },
        };
        let review = Review {
            drawn_at: 0,
            clusters: 5,
            clustered: 11,
            across_sources: 3,
            largest: Vec::new(),
            rules: vec![rule("title-authors", 10, 1), rule("doi", 0, 0)],
        };
        let view = View {
            state: ClusterState::Current,
            review: Some(review),
            pairs: vec![(pair, compared)],
            query: ReviewQuery::default(),
            is_drawing: false,
        };
        (view, Visitor::at(60_000, access))
    }

    #[test]
    fn differing_fields_are_marked_and_texts_stay_texts() {
        let (view, visitor) = view(Access::SignedIn);
        let page = page(&view, &visitor, None).into_string();
        assert!(page.contains("<mark>Rain &amp; bees</mark>"), "{page}");
        assert!(
            page.contains("<mark>&lt;b&gt;Sun&lt;/b&gt;</mark>"),
            "{page}"
        );
        assert_eq!(page.matches(">differs<").count(), 1, "{page}");
        assert!(!page.contains("<mark>2011"), "{page}");
        assert!(page.contains("90.00 %"), "{page}");
        assert!(page.contains("Rules of which nothing is judged"), "{page}");
        assert!(page.contains("value=\"split\""), "{page}");
        assert!(page.contains("name=\"pair\" value=\"7\""), "{page}");
    }

    #[test]
    fn nobody_but_who_has_signed_in_gets_buttons() {
        for access in [Access::SignedOut, Access::Off] {
            let (view, visitor) = view(access);
            let page = page(&view, &visitor, None).into_string();
            assert!(!page.contains("name=\"action\""), "{page}");
            let leads_to_sign_in = page.contains("href=\"/sign-in?next=%2Fduplicates%2Freview\"");
            assert_eq!(leads_to_sign_in, access == Access::SignedOut, "{page}");
        }
    }
}
