//! What is said in a recording without subtitles, written down by a model piece by piece. Each piece is kept before the next one is
//! asked for, so that a try that comes again goes on where the last one stopped.

use std::{fs::File, time::Duration};

use smartcourse_platform::{Error, Result, fault, ports::transcription::Transcriber};
use smartcourse_text::{ExtractError, SOUND_RATE};

use crate::{
    State, codes,
    parser::{parsing, unreadable},
    webvtt,
};

/// A piece: what a child may answer (12 MiB) has room for it, and so has a request (25 MB).
const PIECE: Duration = Duration::from_secs(300);
/// Pieces of one call, which ends before its activity does however long each takes.
const PIECES: usize = 4;
/// Bytes of a thousandth of a second of sound, and of a second of it.
const UNIT: usize = 2 * SOUND_RATE as usize / 1000;
const SECOND: usize = 1000 * UNIT;
/// The end of a piece, in which it is cut where it is most quiet, since a word that is cut is lost; and what is compared to find that.
const CUT_WITHIN: usize = 20 * SECOND;
const MOMENT: usize = SECOND / 5;
/// What is too short to say anything; servers refuse it.
const TOO_SHORT: usize = SECOND / 2;

/// A recording, and who writes it down.
pub(crate) struct Recording<'a> {
    pub(crate) sha256: &'a str,
    pub(crate) file: &'a File,
    /// That of the course, where it names one.
    pub(crate) language: Option<&'a str>,
    pub(crate) transcriber: &'a dyn Transcriber,
    /// Failures in a row after which it is given up.
    pub(crate) tries: u32,
}

/// What became of a recording.
pub(crate) enum Transcribed {
    /// All of it, as WebVTT.
    Whole(String),
    /// There is more of it, for another call.
    Unfinished,
    /// It has no transcript, for this reason.
    Not(String),
}

/// What is kept of a transcript.
#[derive(Default)]
struct Kept {
    until_ms: i64,
    is_whole: bool,
    cues: String,
}

/// Transcribes some pieces of a recording, from the first one on that is not kept. An error is a fault of the surroundings or of the
/// service that transcribes, and worth another try.
pub(crate) async fn transcribe(state: &State, recording: &Recording<'_>) -> Result<Transcribed> {
    for piece in 0.. {
        let kept = kept(state, recording).await?;
        if kept.is_whole {
            return Ok(Transcribed::Whole(format!("{}{}", webvtt::HEAD, kept.cues)));
        }
        if piece == PIECES {
            break;
        }
        let from = Duration::from_millis(kept.until_ms.unsigned_abs());
        if from.is_zero() && is_too_long(state, recording).await? {
            let minutes = recording.transcriber.longest().as_secs() / 60;
            let reason = format!("it is longer than {minutes} minutes");
            return Ok(Transcribed::Not(reason));
        }
        let sound = match sound(state, recording, from, PIECE).await? {
            Ok(sound) => sound,
            Err(reason) => return Ok(Transcribed::Not(reason)),
        };
        let end = cut(&sound);
        let cues = match written(recording, from, &sound[..end]).await {
            Ok(cues) => cues,
            Err(error) if is_given_up(state, recording, &error).await? => {
                tracing::warn!(error = %error.chain(), "a recording is not transcribed");
                return Ok(Transcribed::Not(error.detail().to_owned()));
            }
            Err(error) => return Err(error),
        };
        keep(state, recording, &kept, end, is_last(&sound), &cues).await?;
        fault::point("content.extract_lesson", "after_piece");
    }
    Ok(Transcribed::Unfinished)
}

/// The sound of a part of a recording, or why it has none.
async fn sound(
    state: &State,
    recording: &Recording<'_>,
    from: Duration,
    length: Duration,
) -> Result<Result<Vec<u8>, String>> {
    let file = recording.file.try_clone().map_err(ExtractError::from);
    let run = state.deps.sandbox.sound(file.map_err(unreadable)?, from, length);
    Ok(match parsing(run).await {
        Ok(sound) => Ok(sound),
        Err(error) if error.is_retryable() => return Err(unreadable(error)),
        Err(ExtractError::NoTrack) => Err("ffmpeg, which reads its sound, is not installed".to_owned()),
        Err(ExtractError::DamagedFile) => Err("it has no sound that can be read".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

/// Whether there is something to hear where a recording should be over by now.
async fn is_too_long(state: &State, recording: &Recording<'_>) -> Result<bool> {
    let behind = sound(
        state,
        recording,
        recording.transcriber.longest(),
        Duration::from_secs(1),
    );
    Ok(behind.await?.is_ok_and(|sound| !sound.is_empty()))
}

/// Bytes of so much sound.
fn whole(length: Duration) -> usize {
    SECOND * length.as_secs() as usize
}

/// Whether the recording ends with a piece: programs give a little less than they are asked for now and then.
fn is_last(sound: &[u8]) -> bool {
    sound.len() + SECOND < whole(PIECE)
}

/// Where a piece ends: with the recording, or at the most quiet moment near its own end.
fn cut(sound: &[u8]) -> usize {
    if is_last(sound) {
        return sound.len();
    }
    let end = sound.len() / UNIT * UNIT;
    let first = end - CUT_WITHIN;
    let moments = (first..=end - MOMENT).step_by(MOMENT / 2);
    let loudness = |at: &usize| -> u64 {
        let values = sound[*at..at + MOMENT].as_chunks::<2>().0.iter();
        values
            .map(|value| u64::from(i16::from_le_bytes(*value).unsigned_abs()))
            .sum()
    };
    moments.min_by_key(loudness).unwrap_or(first) + MOMENT / 2
}

/// What the model hears in a piece, as cues of the recording.
async fn written(recording: &Recording<'_>, from: Duration, sound: &[u8]) -> Result<String> {
    let mut cues = String::new();
    if sound.len() < TOO_SHORT {
        return Ok(cues);
    }
    let (begin, length) = (from.as_secs_f64(), sound.len() as f64 / SECOND as f64);
    let piece = wav(sound);
    for segment in recording
        .transcriber
        .transcribe(piece, recording.language)
        .await?
    {
        // Models say now and then that something was said behind the end.
        let [start, end] = [segment.start, segment.end].map(|time| time.clamp(0.0, length));
        webvtt::push(&mut cues, begin + start, begin + end.max(start), &segment.text);
    }
    Ok(cues)
}

/// Sound as a WAV file.
fn wav(sound: &[u8]) -> Vec<u8> {
    let size = u32::try_from(sound.len()).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + sound.len());
    file.extend(b"RIFF");
    file.extend((36 + size).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(SOUND_RATE.to_le_bytes());
    file.extend((2 * SOUND_RATE).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(size.to_le_bytes());
    file.extend(sound);
    file
}

async fn kept(state: &State, recording: &Recording<'_>) -> Result<Kept> {
    let kept = sqlx::query_as!(
        Kept,
        "select until_ms, is_whole, cues from content.transcripts where sha256 = $1 and model = $2",
        recording.sha256,
        recording.transcriber.model()
    )
    .fetch_optional(&state.pool)
    .await?;
    Ok(kept.unwrap_or_default())
}

/// Keeps a piece behind those that were kept; nothing when somebody else has kept it meanwhile.
async fn keep(
    state: &State,
    recording: &Recording<'_>,
    before: &Kept,
    bytes: usize,
    is_whole: bool,
    cues: &str,
) -> Result<()> {
    let until_ms = before.until_ms + i64::try_from(bytes / UNIT).unwrap_or(i64::MAX);
    sqlx::query!(
        "insert into content.transcripts as t (sha256, model, until_ms, is_whole, cues) values ($1, $2, $3, $4, $5)
         on conflict (sha256, model) do update set until_ms = $3, is_whole = $4, cues = t.cues || $5, failures = 0
         where t.until_ms = $6 and not t.is_whole",
        recording.sha256,
        recording.transcriber.model(),
        until_ms,
        is_whole,
        cues,
        before.until_ms
    )
    .execute(&state.pool)
    .await?;
    Ok(())
}

/// Whether nothing more is tried after this failure, for now: the next publish tries again.
async fn is_given_up(state: &State, recording: &Recording<'_>, error: &Error) -> Result<bool> {
    if error.is(&codes::TRANSCRIPTION_REFUSED) {
        return Ok(true);
    }
    let tries = i32::try_from(recording.tries).unwrap_or(i32::MAX);
    let failures = sqlx::query_scalar!(
        "insert into content.transcripts as t (sha256, model, failures) values ($1, $2, case when 1 < $3 then 1 else 0 end)
         on conflict (sha256, model) do update set failures = case when t.failures + 1 < $3 then t.failures + 1 else 0 end
         returning failures",
        recording.sha256,
        recording.transcriber.model(),
        tries
    )
    .fetch_one(&state.pool)
    .await?;
    Ok(failures == 0)
}

/// Forgets transcripts of recordings that are gone; answers how many.
pub(crate) async fn forget(state: &State) -> Result<u64> {
    let forgotten = sqlx::query!(
        "delete from content.transcripts t where not exists (select from content.assets a where a.sha256 = t.sha256)"
    )
    .execute(&state.pool)
    .await?;
    Ok(forgotten.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_ends_where_it_is_quiet() {
        let loud = [0x00, 0x20];
        let mut sound = loud.repeat(whole(PIECE) / 2);
        sound[290 * SECOND..291 * SECOND].fill(0);
        let end = cut(&sound);
        assert!((290 * SECOND..291 * SECOND).contains(&end) && end.is_multiple_of(UNIT));
        // What is quiet far from the end is of no use, and the end of the recording is the end.
        sound[290 * SECOND..291 * SECOND].copy_from_slice(&loud.repeat(SECOND / 2));
        sound[..270 * SECOND].fill(0);
        assert!(cut(&sound) > 280 * SECOND);
        assert_eq!(cut(&sound[..100 * SECOND]), 100 * SECOND);
        let end = cut(&sound[..whole(PIECE) - 10]);
        assert!((280 * SECOND..300 * SECOND).contains(&end) && end.is_multiple_of(UNIT));
        assert_eq!(wav(&sound).len(), sound.len() + 44);
    }
}
