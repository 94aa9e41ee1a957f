//! Finds ICU4C, which the catalogue documents need for its transliteration data.

use std::env;

/// The C library carries its major version in the names of its functions (`utrans_openU_72`), so
/// the build asks pkg-config which one there is. `ICU_SYMBOL_SUFFIX` in the environment overrides
/// the suffix for a library that was built without it (set it to nothing).
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ICU_SYMBOL_SUFFIX");
    // 63 is the oldest release with all that is called here and with `Any-Latin` as it is today.
    let icu = match pkg_config::Config::new()
        .atleast_version("63")
        .probe("icu-i18n")
    {
        Ok(icu) => icu,
        Err(error) => panic!(
            "ICU4C 63 or newer is needed, with its headers' pkg-config file (Debian and Ubuntu: \
             libicu-dev and pkg-config): {error}"
        ),
    };
    let major = icu.version.split('.').next().unwrap_or_default();
    let suffix = env::var("ICU_SYMBOL_SUFFIX").unwrap_or_else(|_| format!("_{major}"));
    println!("cargo:rustc-env=ICU_SYMBOL_SUFFIX={suffix}");
}
