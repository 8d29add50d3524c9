//! Pictures of displays as PNG files.

use std::io::Cursor;

use super::part::{Picture, Shown};

/// Why a file is no picture that could be compared.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// It is no PNG, or a broken one.
    #[error("it is no PNG: {0}")]
    Decoding(#[from] png::DecodingError),
    /// Its dots do not fit into memory.
    #[error("it is too large")]
    TooLarge,
}

/// Bytes of a picture that is compared: more than any display of ours has.
const LARGEST: usize = 16 << 20;

impl Picture {
    /// What a part shows, as a picture: a row of lamps has a dot for each.
    pub fn of(shown: Shown) -> Option<Self> {
        match shown {
            Shown::Number(_) => None,
            Shown::Colours(dots) => Some(Self { width: dots.len() as u32, height: 1, dots }),
            Shown::Picture(picture) => Some(picture),
        }
    }

    /// As the bytes of a file.
    ///
    /// # Errors
    /// A picture without dots cannot be one.
    pub fn to_png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(self.dots.as_flattened())?;
        Ok(bytes)
    }

    /// From the bytes of a file.
    ///
    /// # Errors
    /// It is no PNG, or one that is far too large.
    pub fn from_png(bytes: &[u8]) -> Result<Self, NoPicture> {
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_limits(png::Limits { bytes: LARGEST });
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let size = reader.output_buffer_size().filter(|size| *size <= LARGEST);
        let mut buffer = vec![0; size.ok_or(NoPicture::TooLarge)?];
        let frame = reader.next_frame(&mut buffer)?;
        let samples = frame.color_type.samples();
        let dots = buffer[..frame.buffer_size()].chunks_exact(samples).map(|dot| match dot {
            [grey] | [grey, _] => [*grey; 3],
            [red, green, blue, ..] => [*red, *green, *blue],
            [] => [0; 3],
        });
        Ok(Self { width: frame.width, height: frame.height, dots: dots.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_comes_back_from_its_file() {
        let dots = (0..6).map(|n| [n, 2 * n, 255 - n]).collect();
        let picture = Picture { width: 3, height: 2, dots };
        assert_eq!(Picture::from_png(&picture.to_png().unwrap()).unwrap(), picture);
        assert!(Picture::from_png(b"GIF89a").is_err());
        let empty = Picture { width: 0, height: 1, dots: Vec::new() };
        assert!(empty.to_png().is_err());
    }
}
