//! Fingerprints of settings: whether what was sent or written before is still what would be now.
//!
//! They are made from structs with stable field names, never from `Debug` text.

use serde::Serialize;

/// The beginning of every fingerprint. Those of the first release had none.
const PREFIX: &str = "v2:";

/// The fingerprint of a definition; it depends on the names of the fields and on their order.
pub(crate) fn of(definition: &impl Serialize) -> String {
    let json = serde_json::to_vec(definition).expect("definitions have texts as keys");
    format!("{PREFIX}{}", blake3::hash(&json).to_hex())
}

/// Whether a kept fingerprint was made by the first release, from text that can no longer be rebuilt.
pub(crate) fn is_of_first_release(kept: &str) -> bool {
    kept.len() == 64 && kept.bytes().all(|byte| byte.is_ascii_hexdigit())
}
