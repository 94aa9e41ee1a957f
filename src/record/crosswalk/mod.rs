//! One file per metadata format: from metadata to the article model.
