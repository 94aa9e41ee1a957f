//! Asks for one record by its identifier.

use super::{Halt, Run};
use crate::harvest::reading::Asked;
use crate::harvest::requester::RequestError;
use crate::oai::client::Transport;
use crate::oai::response::ErrorCode;
use crate::oai::{Content, Record, Request};

/// The answer about one record.
pub(in crate::harvest) enum SingleRecord {
    /// The record, live or deleted.
    Found(Box<Record>),
    /// The repository says that it does not have the record.
    Unknown,
    /// The record cannot be read now.
    Unreadable {
        /// Why.
        reason: String,
        /// The body of the answer, if it could not be read.
        body: Option<Vec<u8>>,
        /// Whether the repository answered. Without an answer nothing is known of the record.
        answered: bool,
    },
}

/// After so many refused records, a run in which no list was answered ends.
const MAX_REFUSED_AT_FIRST: u32 = 3;

impl<T: Transport> Run<'_, T> {
    /// Asks for one record. The answer proves nothing about any list.
    pub(in crate::harvest) async fn get_record(
        &mut self,
        identifier: &str,
    ) -> Result<SingleRecord, Halt> {
        let request = Request::GetRecord {
            identifier: identifier.to_owned(),
            metadata_prefix: self.settings.metadata_prefix.clone(),
        };
        let error = match self.requester.ask(&request, 1).await {
            Ok(fetched) => {
                self.notes.add_repairs(&fetched.response.repairs);
                return Ok(match fetched.response.content {
                    // Some repositories answer with another record than was asked for.
                    Content::Record(record) if record.header.identifier == identifier => {
                        let prefix = &self.settings.metadata_prefix;
                        let asked = Asked::new(prefix, None, &self.repository.traits);
                        match asked.other_format_of(&record) {
                            Some(why) => unreadable(why),
                            None => SingleRecord::Found(record),
                        }
                    }
                    Content::Record(record) => unreadable(format!(
                        "GetRecord brought {} instead",
                        record.header.identifier
                    )),
                    Content::Errors(errors) => match errors.first() {
                        Some(error) if error.known_code() == Some(ErrorCode::IdDoesNotExist) => {
                            SingleRecord::Unknown
                        }
                        error => {
                            unreadable(error.map_or_else(String::new, |error| error.code.clone()))
                        }
                    },
                    _ => unreadable("no record in the answer".to_owned()),
                });
            }
            Err(error) => error,
        };
        if let Some(why) = error.refuses_this_request() {
            return Ok(unreadable(why.to_owned()));
        }
        match error {
            // A restricted record, if the repository answers other requests. A run may begin with such records.
            RequestError::Refused {
                why,
                status: Some(_),
            } if self.budget.some_list_was_answered()
                || self.refused_records < MAX_REFUSED_AT_FIRST =>
            {
                self.refused_records += 1;
                Ok(unreadable(why))
            }
            RequestError::Failed {
                why,
                body,
                answered,
                ..
            } => Ok(SingleRecord::Unreadable {
                reason: why,
                body,
                answered,
            }),
            error => Err(error.into()),
        }
    }
}

fn unreadable(reason: String) -> SingleRecord {
    SingleRecord::Unreadable {
        reason,
        body: None,
        answered: true,
    }
}
