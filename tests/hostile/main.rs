//! The threat model: who can send what to harvestd, and what it may cost. One module for each line;
//! `docs/security.md` states the same limits for people who run the program.
//!
//! | who | sends | it may cost | module |
//! |---|---|---|---|
//! | a repository, an index, a webhook | messages and names of any length, with any character | one line of 500 characters, in which nothing acts; no other alert | `texts` |
//! | anyone who reaches the address | connections that ask for nothing, half a request, answers that it does not read, many long polls, HTTP/2 | 128 connections and a few large answers in memory; pages and harvests go on | `connections` |
//! | a repository | XML and HTML that a browser could run | nothing: outside of our own pages it is data of no origin | `answers` |
//! | a page of another site | requests under a name that was given our address | status 421 | `answers` |
//! | a repository | records of many megabytes | each answer shows or sends them a piece at a time; other requests and the watchdog do not wait | `records` |
//! | another user of the machine | links and half-written files in folders that both can write | nothing is followed; a command is refused | `files` |
//! | a careless hand | `export -o`, `backup` or an `[[export]]` with the path of the store or of another file; commands as root | refused before anything is written; what root creates belongs to the service | `files` |
//! | the service itself, if somebody takes it over | connections to link-local addresses, new listeners, core dumps, endless restarts | the units deny it | `units` |
//! | a repository | an answer in any encoding, compressed in any way, of any shape | three times `max_inflated_bytes` of memory; one large answer at a time | `memory` |
//! | a repository | a list of ever new records | ten times the known records, or `max_run_records` at first; then a person decides | `endless` |
//! | a repository, and who answers for its name | redirects | none leads to a private address from a public one, none to a link-local address | `redirects` |
//! | a repository, a careless person | secrets of requests, in answers and in URLs | `<redacted>` in their place, also in names, locks and the store | `secrets` |
//! | a reader of the pages | guesses of the token | eight a second, each with a line in the log | `secrets` |
//!
//! Every server is on loopback and every attack is bounded, so that a defence that is missing fails its
//! test and harms nothing else.

#![allow(
    unreachable_pub,
    reason = "what the files of this crate share is seen by them alone"
)]

mod answers;
mod connections;
mod endless;
mod files;
mod memory;
mod process;
mod records;
mod redirects;
mod secrets;
#[path = "../support/mod.rs"]
mod support;
mod texts;
mod units;
