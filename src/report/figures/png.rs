//! From SVG to PNG, with the bundled font and no other: the same picture on every machine.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// Why a figure cannot become a PNG.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The SVG is none.
    #[error("the figure `{name}` cannot be drawn: {reason}: report this as a bug")]
    Draw {
        /// The figure.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Pixels of a PNG to one of the SVG.
pub(super) const SCALE: f32 = 2.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("font/DejaVuSans-subset.ttf").to_vec());
    Arc::new(fonts)
});

/// The picture as PNG, two pixels to each of the SVG's.
pub(super) fn png(name: &str, svg: &str) -> Result<Vec<u8>, FigureError> {
    let failed = |reason: String| FigureError::Draw { name: name.to_owned(), reason };
    let options =
        Options { fontdb: Arc::clone(&FONTS), font_family: "DejaVu Sans".to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size().to_int_size();
    let scaled = size.scale_by(SCALE).ok_or_else(|| failed("it has no size".to_owned()))?;
    let mut picture = Pixmap::new(scaled.width(), scaled.height())
        .ok_or_else(|| failed(format!("{} by {} pixels are too many", scaled.width(), scaled.height())))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|error| failed(error.to_string()))
}
