//! Datestamps: what is read once is read the same in every form that it is written in.

#![no_main]

use harvestd::oai::{Datestamp, Granularity};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let read = Datestamp::parse(&text);
    assert_eq!(Datestamp::parse(&format!(" \n{text}\t")), read);
    if let Some(datestamp) = Datestamp::canonical(&text) {
        assert_eq!(read, Some((datestamp, Granularity::Second)));
        assert_eq!(datestamp.render(Granularity::Second), text);
    }
    let Some((datestamp, granularity)) = read else {
        return;
    };
    let written = datestamp.render(Granularity::Second);
    assert_eq!(written, datestamp.to_string());
    assert_eq!(Datestamp::canonical(&written), Some(datestamp));
    let (start, end) = (datestamp.day_start(), datestamp.day_end());
    assert!(start <= datestamp && datestamp <= end);
    assert_eq!(end.unix() - start.unix(), 86_399);
    let day = datestamp.render(Granularity::Day);
    assert_eq!(Datestamp::parse(&day), Some((start, Granularity::Day)));
    assert!(granularity == Granularity::Second || datestamp == start);
    assert_eq!(Datestamp::from_unix(datestamp.unix()), datestamp);
    let stored = serde_json::to_string(&datestamp).unwrap();
    assert_eq!(
        serde_json::from_str::<Datestamp>(&stored).unwrap(),
        datestamp
    );
    for seconds in [-1, 1, i64::MIN, i64::MAX] {
        let moved = datestamp.plus_seconds(seconds);
        let onwards = seconds > 0;
        assert!(moved == datestamp || (moved > datestamp) == onwards);
        assert_eq!(Datestamp::canonical(&moved.to_string()), Some(moved));
    }
});
