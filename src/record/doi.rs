//! DOI normalisation.
