//! Downloads of files: all of one or a part of it, or nothing to whoever has it already.

use std::time::SystemTime;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    content::{Asset, AssetHeader, ByteRange, GetAssetRequest, ReadAssetRequest},
    json::timestamp::to_time,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access,
    auth::SignedIn,
    codes,
    edge::{PathOf, Validators, Wanted},
    state::App,
    stubs::Stubs,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(download))
}

/// An id names the same bytes for ever. They are for whoever may read the course, so only their own browser keeps them.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// An instructor's file must not act as a page of ours.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// Download a file, or a part of it
#[utoipa::path(get, path = "/courses/{id}/assets/{aid}", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("aid" = String, Path, description = "The file"),
        ("Range" = Option<String>, Header, description = "One range of bytes; several are answered with the whole file"),
        ("If-Range" = Option<String>, Header, description = "The `ETag` or `Last-Modified` of the copy the part is for; another one is answered with the whole file"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the copy the caller has"),
        ("If-Modified-Since" = Option<String>, Header, description = "The `Last-Modified` of the copy the caller has")),
    responses((status = 307, description = "The whole file, at a URL of the store of files that is good for some minutes"),
        (status = 200, description = "The whole file, as what it is", content_type = "*/*", body = Vec<u8>),
        (status = 206, description = "The part, as `Content-Range` says", content_type = "*/*", body = Vec<u8>),
        (status = 304, description = "The caller has it")))]
async fn download(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, asset_id)): PathOf<(i64, String)>,
    method: Method,
    asked: HeaderMap,
) -> Result<Response> {
    access::require_reader(&app, actor, course_id).await?;
    let request = actor.request(GetAssetRequest { course_id, asset_id });
    let asset = app.stubs.content.get_asset(request).await?;
    let size = u64::try_from(asset.size_bytes).unwrap_or_default();
    let came = asset.created_at.as_ref().and_then(to_time);
    let came = came.map_or(SystemTime::UNIX_EPOCH, Into::into);
    let validators = Validators::new(&asset.sha256, came)?;
    let mut response = match validators.wanted(&method, &asked, size) {
        Wanted::OutOfRange => {
            let refusal = Error::new(
                &codes::RANGE_NOT_SATISFIABLE,
                format!("the file has {size} bytes"),
            );
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{size}"))], refusal).into_response());
        }
        Wanted::Unchanged => StatusCode::NOT_MODIFIED.into_response(),
        Wanted::Whole if method == Method::HEAD => file(&asset, Body::empty(), size)?,
        // What is decided by our tags is answered by us.
        Wanted::Whole if asked.contains_key(header::RANGE) => whole(&app.stubs, actor, &asset, size).await?,
        Wanted::Whole => match read(&app.stubs, actor, &asset, None, true).await? {
            (AssetHeader { url: Some(url), .. }, _) => {
                let fresh = [(header::CACHE_CONTROL, "no-store")];
                return Ok((fresh, Redirect::temporary(&url)).into_response());
            }
            (_, body) => file(&asset, body, size)?,
        },
        Wanted::Part(range) => {
            let range = ByteRange {
                start: range.start,
                end: range.end,
            };
            part(&app.stubs, actor, &asset, range, size).await?
        }
    };
    let headers = response.headers_mut();
    validators.describe(headers);
    headers.insert(header::CACHE_CONTROL, CACHE);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(response)
}

async fn whole(stubs: &Stubs, actor: Actor, asset: &Asset, size: u64) -> Result<Response> {
    let (_, body) = read(stubs, actor, asset, None, false).await?;
    file(asset, body, size)
}

async fn part(stubs: &Stubs, actor: Actor, asset: &Asset, range: ByteRange, size: u64) -> Result<Response> {
    let (given, body) = read(stubs, actor, asset, Some(range), false).await?;
    // A content service of a version that knows of no parts has sent everything.
    if given.range != Some(range) {
        return file(asset, body, size);
    }
    let mut response = file(asset, body, range.end - range.start)?;
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let place = format!("bytes {}-{}/{size}", range.start, range.end - 1);
    insert(response.headers_mut(), header::CONTENT_RANGE, &place)?;
    Ok(response)
}

/// The bytes, with what the content service says of them: which they are, all of them where it says nothing, or where the
/// store gives them away, which only who may be sent there is told.
async fn read(
    stubs: &Stubs,
    actor: Actor,
    asset: &Asset,
    range: Option<ByteRange>,
    may_be_elsewhere: bool,
) -> Result<(AssetHeader, Body)> {
    let request = actor.request(ReadAssetRequest {
        course_id: asset.course_id,
        asset_id: asset.id.clone(),
        range,
        disposition: may_be_elsewhere.then(|| disposition(&asset.filename)),
    });
    let mut parts = stubs.content.read_asset(request).await?;
    let first = parts.try_next().await?.unwrap_or_default();
    let bytes = parts.map(|part| part.map(|part| Bytes::from(part.data)));
    Ok((first.header.unwrap_or_default(), Body::from_stream(bytes)))
}

/// An answer with so many bytes of a file.
fn file(asset: &Asset, body: Body, length: u64) -> Result<Response> {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    insert(headers, header::CONTENT_TYPE, &asset.content_type)?;
    insert(
        headers,
        header::CONTENT_DISPOSITION,
        &disposition(&asset.filename),
    )?;
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) -> Result<()> {
    let value = text
        .parse()
        .map_err(|error| Error::internal(format!("a file's {name} cannot be sent")).because(error))?;
    headers.insert(name, value);
    Ok(())
}

/// What of a name is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

/// An attachment with its name twice: plain for old stubs, encoded for all others (RFC 6266).
fn disposition(filename: &str) -> String {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = name
        .chars()
        .map(|c| match c {
            ' ' | '.' | '_' | '-' | '(' | ')' => c,
            _ if c.is_ascii_alphanumeric() => c,
            _ => '_',
        })
        .collect();
    let encoded = utf8_percent_encode(name, ENCODED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::to_bytes, extract::Request, routing::post};
    use smartcourse_platform::{config::Config, grpc::Channels};
    use smartcourse_proto::content::AssetPart;
    use smartcourse_tests::local;
    use tonic::{Status, server::Grpc};
    use tonic_prost::ProstCodec;

    use super::*;

    /// The stubs of a content service that has one file, and may not know of parts.
    fn stubs(knows_parts: bool) -> Stubs {
        let answer = async move |request: Request| {
            let service = tower::service_fn(move |request: tonic::Request<ReadAssetRequest>| async move {
                let range = request.into_inner().range.filter(|_| knows_parts);
                let data = match range {
                    Some(range) => &FILE[range.start as usize..range.end as usize],
                    None => FILE,
                };
                let header = AssetHeader {
                    range,
                    ..AssetHeader::default()
                };
                let head = AssetPart {
                    header: Some(header),
                    data: Vec::new(),
                };
                let data = AssetPart {
                    header: None,
                    data: data.to_vec(),
                };
                let parts = futures::stream::iter([Ok::<_, Status>(head), Ok(data)]);
                Ok(tonic::Response::new(parts))
            });
            let codec = ProstCodec::default();
            Grpc::new(codec).server_streaming(service, request).await
        };
        let path = "/smartcourse.content.ContentService/ReadAsset";
        let router = Router::new().route(path, post(answer));
        let config = Config::load(&[], None, &[]).expect("the defaults are valid");
        let channels =
            Channels::open(|_| Ok::<_, Error>(local(&config, router.clone()))).expect("an address");
        Stubs::new(&channels)
    }

    const FILE: &[u8] = b"0123456789";

    #[tokio::test]
    async fn what_is_no_part_is_never_called_one() {
        let asset = Asset {
            content_type: "text/plain".to_owned(),
            filename: "a.txt".to_owned(),
            ..Asset::default()
        };
        for (knows_parts, status, place, bytes) in [
            (true, 206, Some("bytes 3-6/10"), &FILE[3..7]),
            (false, 200, None, FILE),
        ] {
            let range = ByteRange { start: 3, end: 7 };
            let answer = part(&stubs(knows_parts), Actor::Service, &asset, range, 10).await;
            let (head, body) = answer.expect("an answer").into_parts();
            let told = |name| {
                head.headers
                    .get(name)
                    .and_then(|value: &HeaderValue| value.to_str().ok())
            };
            assert_eq!(head.status, status);
            assert_eq!(told(header::CONTENT_RANGE), place);
            assert_eq!(
                told(header::CONTENT_LENGTH),
                Some(bytes.len().to_string().as_str())
            );
            assert_eq!(to_bytes(body, 100).await.expect("the bytes"), bytes);
        }
    }

    #[test]
    fn names_cannot_leave_their_header() {
        assert_eq!(
            disposition("../a\"b\r\nSet-Cookie: x.pdf"),
            "attachment; filename=\"a_b__Set-Cookie_ x.pdf\"; filename*=UTF-8''a%22b%0D%0ASet-Cookie%3A%20x.pdf"
        );
        assert!(disposition("Übung.pdf").ends_with("filename*=UTF-8''%C3%9Cbung.pdf"));
    }
}
