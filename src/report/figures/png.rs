//! Renders SVG as PNG with the bundled font only, so that every machine gives the same picture.

use std::sync::{Arc, LazyLock};

use anyhow::anyhow;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// PNG pixels per SVG unit.
const SCALE: f32 = 2.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("font/DejaVuSans-subset.ttf").to_vec());
    Arc::new(fonts)
});

/// Renders the SVG of the figure `name`.
pub(super) fn png(name: &str, svg: &str) -> anyhow::Result<Vec<u8>> {
    let failed =
        |reason: String| anyhow!("the figure `{name}` cannot be rendered: {reason}: report this as a bug");
    let options =
        Options { fontdb: Arc::clone(&FONTS), font_family: "DejaVu Sans".to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size().to_int_size();
    let scaled = size.scale_by(SCALE).ok_or_else(|| failed("its size is 0".to_owned()))?;
    let mut picture = Pixmap::new(scaled.width(), scaled.height())
        .ok_or_else(|| failed(format!("{} by {} pixels are too many", scaled.width(), scaled.height())))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|error| failed(error.to_string()))
}
