//! A small chart: what each of the last passes brought, as bars.

use maud::{Markup, html};

use super::words;
use crate::store::{Pass, PassState};

const HEIGHT: u64 = 48;
const BAR: u64 = 8;
const GAP: u64 = 2;

/// Bars of new, changed and deleted records, oldest pass on the left; nothing for less than two
/// passes. `passes` are newest first.
pub(super) fn chart(passes: &[Pass]) -> Markup {
    let brought = |pass: &Pass| pass.counts.new + pass.counts.changed + pass.counts.deleted;
    let most = passes.iter().map(brought).max().unwrap_or(0).max(1);
    let width = passes.len() as u64 * (BAR + GAP);
    let label = format!(
        "Records of the last {} passes, {} at most",
        passes.len(),
        words::number(most)
    );
    html! {
        @if passes.len() > 1 {
            svg class="chart" role="img" aria-label=(label) viewBox={ "0 0 " (width) " " (HEIGHT) }
                width=(width) height=(HEIGHT) {
                @for (place, pass) in (0u64..).zip(passes.iter().rev()) {
                    // A pass that brought anything is seen; one that brought nothing is a line.
                    @let records = brought(pass);
                    @let height = (records * (HEIGHT - 2) / most).max(if records > 0 { 2 } else { 1 });
                    rect class=(if pass.state == PassState::Complete { "bar" } else { "bar open" })
                        x=(place * (BAR + GAP)) y=(HEIGHT - height) width=(BAR) height=(height) {
                        title {
                            (words::instant(pass.started_at)) ": "
                            (words::counted(records, "record", "records"))
                        }
                    }
                }
            }
            p class="hint" { (label) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Counts, PassId, PassKind, SourceId};

    fn pass(new: u64, state: PassState) -> Pass {
        Pass {
            id: PassId(1),
            source_id: SourceId(1),
            kind: PassKind::Since,
            state,
            moves_watermark: true,
            started_at: 0,
            ended_at: None,
            note: None,
            requests: 0,
            pages: 0,
            bytes: 0,
            wait_ms: 0,
            counts: Counts {
                new,
                ..Counts::default()
            },
        }
    }

    #[test]
    fn bars_stand_for_passes() {
        let passes = [
            pass(0, PassState::Open),
            pass(1_000_000, PassState::Complete),
            pass(1, PassState::Complete),
        ];
        let drawn = chart(&passes).into_string();
        let heights: Vec<&str> = drawn
            .split("<rect ")
            .skip(1)
            .map(|rect| rect.split("height=\"").nth(1).unwrap())
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(heights, ["2", "46", "1"]);
        assert!(chart(&passes[..1]).into_string().is_empty());
        assert!(chart(&[]).into_string().is_empty());
    }
}
