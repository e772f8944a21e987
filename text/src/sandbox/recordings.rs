//! Subtitles that are part of a recording, and its sound, read where there are programs for it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Seek as _;
use std::time::Duration;

use serde::Deserialize;

use super::{Sandbox, tools::Recordings};
use crate::{Chunk, ExtractError, SourceKind};

/// Where the input is: a way to it that can be read from anywhere, since what a recording has is told at its end.
const INPUT: &str = "file:/proc/self/fd/0";

/// The only ways and shapes the input may have: a list of other files in the shape of a recording is none.
const PROTOCOLS: &str = "file,pipe";
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,mp3,wav,flac,aac";

/// Subtitles that are text; others are pictures.
const TEXTS: [&str; 8] = [
    "mov_text", "subrip", "srt", "webvtt", "ass", "ssa", "text", "ttml",
];

/// Values of a second of [`Sandbox::sound`].
pub const SOUND_RATE: u32 = 16_000;

/// What `ffprobe` tells of a recording.
#[derive(Deserialize)]
struct Probed {
    #[serde(default)]
    streams: Vec<Stream>,
}

/// A part of a recording.
#[derive(Deserialize)]
struct Stream {
    index: u32,
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    tags: Tags,
}

#[derive(Default, Deserialize)]
struct Tags {
    #[serde(default)]
    language: String,
}

impl Sandbox {
    /// The sound of a recording from `from` on, at most `length` of it and nothing behind its end: one channel of
    /// [`SOUND_RATE`] values a second, each of 16 bits, little-endian.
    ///
    /// # Errors
    /// [`ExtractError::DamagedFile`] when it has no sound that can be read, [`ExtractError::NoTrack`] when nothing reads it, and
    /// the ways a child can die.
    pub async fn sound(
        &self,
        mut file: File,
        from: Duration,
        length: Duration,
    ) -> Result<Vec<u8>, ExtractError> {
        let tools = self.tools.recordings.as_deref();
        let tools = tools.ok_or(ExtractError::NoTrack)?;
        file.rewind()?;
        let (from, length) = (seconds(from), seconds(length));
        // A gap in the sound, also before it begins, is silence: places in it are times of the recording.
        let places = format!("aresample={SOUND_RATE}:async=1:first_pts=0");
        let mut args = limited(&["-nostdin", "-v", "error", "-ss", &from]);
        let sound = ["-i", INPUT, "-map", "0:a:0", "-t", &length];
        let shape = [
            "-af",
            &places,
            "-ac",
            "1",
            "-c:a",
            "pcm_s16le",
            "-f",
            "s16le",
            "-",
        ];
        args.extend(sound.into_iter().chain(shape).map(OsString::from));
        self.run_tool(&tools.convert, args, &file).await
    }

    /// The passages of the subtitles that are part of a recording, those in the course's `language` before others.
    /// [`ExtractError::NoTrack`] where it has none that are text, or nothing reads them.
    pub(super) async fn read_recording(
        &self,
        mut file: File,
        max_words: usize,
        language: Option<&str>,
    ) -> Result<Vec<Chunk>, ExtractError> {
        let tools = self.tools.recordings.as_deref();
        let tools = tools.ok_or(ExtractError::NoTrack)?;
        file.rewind()?;
        let track = match self.track(tools, &file, language).await {
            // What cannot be read needs a transcript like anything else.
            Err(ExtractError::DamagedFile) => None,
            outcome => outcome?,
        };
        let track = track.ok_or(ExtractError::NoTrack)?;
        file.rewind()?;
        let mut args = limited(&["-nostdin", "-v", "error"]);
        args.extend(["-i", INPUT, "-map", &format!("0:{track}"), "-f", "webvtt", "-"].map(OsString::from));
        let subtitles = self.run_tool(&tools.convert, args, &file).await?;
        let mut outcome = Err(ExtractError::Crashed);
        let each = |_, read| outcome = read;
        let subtitles = String::from_utf8_lossy(&subtitles);
        self.read_texts(SourceKind::WebVtt, &[&subtitles], max_words, each)
            .await?;
        match outcome {
            Err(ExtractError::NoText | ExtractError::Empty) => Err(ExtractError::NoTrack),
            outcome => outcome,
        }
    }

    /// The place of the subtitles to read.
    async fn track(
        &self,
        tools: &Recordings,
        file: &File,
        language: Option<&str>,
    ) -> Result<Option<u32>, ExtractError> {
        let mut args = limited(&["-v", "error"]);
        let asked = "stream=index,codec_name:stream_tags=language";
        let rest = [
            "-print_format",
            "json",
            "-select_streams",
            "s",
            "-show_entries",
            asked,
            INPUT,
        ];
        args.extend(rest.map(OsString::from));
        let told = self.run_tool(&tools.probe, args, file).await?;
        let probed: Probed = serde_json::from_slice(&told).map_err(|_| ExtractError::DamagedFile)?;
        let streams = probed.streams.into_iter();
        let mut texts: Vec<Stream> = streams
            .filter(|stream| TEXTS.contains(&stream.codec_name.as_str()))
            .collect();
        let wanted = language.and_then(|language| language.get(..2)).unwrap_or("en");
        // Of three letters or two, which agree in the first two for most languages; the first one where none does.
        texts.sort_by_key(|stream| !stream.tags.language.starts_with(wanted));
        Ok(texts.first().map(|stream| stream.index))
    }
}

/// A time as the programs read it.
fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// Arguments of either program, with what the input may be.
fn limited(first: &[&str]) -> Vec<OsString> {
    let input = ["-protocol_whitelist", PROTOCOLS, "-format_whitelist", FORMATS];
    first.iter().chain(&input).map(OsString::from).collect()
}
