//! Editing a draft. Each edit writes a new immutable document and moves the pointer with a compare-and-set, so no lock
//! is held while a document is written and concurrent edits of different parts both apply.

use std::time::Duration;

use smartcourse_platform::{Error, Result, grpc::Actor, open_writes, postgres};
use smartcourse_proto::{
    course::{
        AddLessonRequest, AddModuleRequest, Content, DeletePartRequest, Lesson, Module, PutContentRequest,
        UpdateLessonRequest, UpdateModuleRequest,
    },
    ids::CourseId,
};

use crate::{State, codes, model, ops::catalogue, store};

/// Edits that lost the race this often in a row give up.
const MAX_RACES: u32 = 20;
/// For as long a draft that was replaced may still be read.
const STILL_READ: Duration = Duration::from_secs(3600);

/// Applies an edit to the draft; without `If-Match` it is applied again on top of whatever came first.
async fn edit<T>(
    state: &State,
    actor: Actor,
    course_id: i64,
    if_match: Option<&str>,
    apply: impl Fn(&mut Content) -> Result<T>,
) -> Result<(Content, T)> {
    let course_id = CourseId(course_id);
    for _ in 0..MAX_RACES {
        let row = store::course(&state.pool, course_id).await?;
        row.require_owner(actor)?;
        row.require_match(if_match)?;
        let mut content = state.content(&row.draft_key).await?;
        let result = apply(&mut content)?;
        model::normalise(&mut content.modules)?;
        (content.course_id, content.version) = (course_id.0, 0);
        content.etag.clear();
        let json = model::sized(&content, state.limits)?;
        let key = store::draft_key(course_id);
        // Known before it is written: whatever becomes of this edit, the draft is named or removed.
        sqlx::query!(
            "insert into course.unused_drafts values ($1, now() + make_interval(secs => $2))",
            key,
            open_writes::LONGEST.as_secs_f64()
        )
        .execute(&state.pool)
        .await?;
        state.documents.put(store::CONTENT, &key, &json).await?;
        let mut tx = postgres::begin(&state.pool).await?;
        let moved = sqlx::query_scalar!(
            "update course.courses set draft_key = $3, revision = revision + 1, updated_at = now()
             where id = $1 and revision = $2 returning revision",
            course_id.0,
            row.revision,
            key
        )
        .fetch_optional(&mut *tx)
        .await?;
        // Whoever lost the race leaves its document to the clean-up.
        let Some(revision) = moved else { continue };
        // Whoever read the course a moment ago still finds the draft it named then.
        sqlx::query!(
            "with named as (delete from course.unused_drafts where draft_key = $1)
             insert into course.unused_drafts select $2::text, now() + make_interval(secs => $3) where $2 <> ''
             on conflict do nothing",
            key,
            row.draft_key,
            STILL_READ.as_secs_f64()
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if row.is_live() {
            // Its pages have the entity tag.
            catalogue::changed(state).await;
        }
        content.etag = store::CourseRow { revision, ..row }.etag();
        return Ok((content, result));
    }
    Err(Error::new(
        &codes::UNAVAILABLE,
        "too many edits of this course at the same time",
    ))
}

pub(crate) async fn put(state: &State, actor: Actor, request: PutContentRequest) -> Result<Content> {
    let (content, ()) = edit(
        state,
        actor,
        request.course_id,
        request.if_match.as_deref(),
        |content| {
            content.modules.clone_from(&request.modules);
            Ok(())
        },
    )
    .await?;
    Ok(content)
}

/// A module or lesson to add: to which draft, and under which key when the caller may ask twice.
struct NewPart<'a> {
    course_id: i64,
    prefix: &'a str,
    key: Option<&'a str>,
    if_match: Option<&'a str>,
}

/// Adds a part under a new id, or finds the one an earlier request with the same key added; answers draft and id.
async fn add_part(
    state: &State,
    actor: Actor,
    part: NewPart<'_>,
    add: impl Fn(&mut Content, &str) -> Result<()>,
) -> Result<(Content, String)> {
    let id = match part.key {
        None => model::new_id(part.prefix),
        Some(key) => {
            let id = model::id_for_key(part.prefix, part.course_id, key);
            let row = store::course(&state.pool, part.course_id.into()).await?;
            row.require_owner(actor)?;
            let draft = state.content(&row.draft_key).await?;
            if has_part(&draft, &id) {
                return Ok((draft, id));
            }
            id
        }
    };
    let (content, ()) = edit(state, actor, part.course_id, part.if_match, |content| {
        // The same request at the same moment may have been faster.
        if has_part(content, &id) {
            return Ok(());
        }
        add(content, &id)
    })
    .await?;
    Ok((content, id))
}

fn has_part(content: &Content, id: &str) -> bool {
    module_at(content, id).is_ok() || lesson_at(content, id).is_ok()
}

pub(crate) async fn add_module(state: &State, actor: Actor, request: AddModuleRequest) -> Result<Module> {
    model::require_module(&request.title)?;
    let part = NewPart {
        course_id: request.course_id,
        prefix: "m",
        key: request.idempotency_key.as_deref(),
        if_match: request.if_match.as_deref(),
    };
    let (content, id) = add_part(state, actor, part, |content, id| {
        let module = Module {
            id: id.to_owned(),
            title: request.title.clone(),
            ..Module::default()
        };
        insert(&mut content.modules, module, request.order, |module| {
            &mut module.order
        });
        Ok(())
    })
    .await?;
    find_module(content, &id)
}

pub(crate) async fn update_module(
    state: &State,
    actor: Actor,
    request: UpdateModuleRequest,
) -> Result<Module> {
    let id = &request.module_id;
    let (content, ()) = edit(
        state,
        actor,
        request.course_id,
        request.if_match.as_deref(),
        |content| {
            let index = module_at(content, id)?;
            let mut module = content.modules.remove(index);
            if let Some(title) = &request.title {
                module.title.clone_from(title);
            }
            let place = request.order.unwrap_or(index as i32 + 1);
            insert(&mut content.modules, module, Some(place), |module| {
                &mut module.order
            });
            Ok(())
        },
    )
    .await?;
    find_module(content, id)
}

pub(crate) async fn delete_module(state: &State, actor: Actor, request: DeletePartRequest) -> Result<()> {
    edit(
        state,
        actor,
        request.course_id,
        request.if_match.as_deref(),
        |content| {
            let index = module_at(content, &request.part_id)?;
            content.modules.remove(index);
            Ok(())
        },
    )
    .await?;
    Ok(())
}

pub(crate) async fn add_lesson(state: &State, actor: Actor, request: AddLessonRequest) -> Result<Lesson> {
    let mut lesson = Lesson {
        title: request.title,
        r#type: request.r#type,
        content: request.content,
        ..Lesson::default()
    };
    model::require_lesson(&mut lesson)?;
    let part = NewPart {
        course_id: request.course_id,
        prefix: "l",
        key: request.idempotency_key.as_deref(),
        if_match: request.if_match.as_deref(),
    };
    let (content, id) = add_part(state, actor, part, |content, id| {
        let module = module_at(content, &request.module_id)?;
        let lesson = Lesson {
            id: id.to_owned(),
            ..lesson.clone()
        };
        let lessons = &mut content.modules[module].lessons;
        insert(lessons, lesson, request.order, |lesson| &mut lesson.order);
        Ok(())
    })
    .await?;
    find_lesson(content, &id)
}

pub(crate) async fn update_lesson(
    state: &State,
    actor: Actor,
    request: UpdateLessonRequest,
) -> Result<Lesson> {
    let id = &request.lesson_id;
    let (content, ()) = edit(
        state,
        actor,
        request.course_id,
        request.if_match.as_deref(),
        |content| {
            let (module, index) = lesson_at(content, id)?;
            let lessons = &mut content.modules[module].lessons;
            let mut lesson = lessons.remove(index);
            if let Some(title) = &request.title {
                lesson.title.clone_from(title);
            }
            if let Some(kind) = request.r#type {
                lesson.r#type = kind;
            }
            if let Some(content) = &request.content {
                lesson.content = Some(content.clone());
            }
            let place = request.order.unwrap_or(index as i32 + 1);
            insert(lessons, lesson, Some(place), |lesson| &mut lesson.order);
            Ok(())
        },
    )
    .await?;
    find_lesson(content, id)
}

pub(crate) async fn delete_lesson(state: &State, actor: Actor, request: DeletePartRequest) -> Result<()> {
    edit(
        state,
        actor,
        request.course_id,
        request.if_match.as_deref(),
        |content| {
            let (module, index) = lesson_at(content, &request.part_id)?;
            content.modules[module].lessons.remove(index);
            Ok(())
        },
    )
    .await?;
    Ok(())
}

fn module_at(content: &Content, id: &str) -> Result<usize> {
    let place = content.modules.iter().position(|module| module.id == id);
    place.ok_or_else(|| unknown("module", id))
}

/// The place of the lesson's module, and its own place there.
fn lesson_at(content: &Content, id: &str) -> Result<(usize, usize)> {
    let in_module = |module: &Module| module.lessons.iter().position(|lesson| lesson.id == id);
    let mut modules = content.modules.iter().enumerate();
    let place = modules.find_map(|(index, module)| Some((index, in_module(module)?)));
    place.ok_or_else(|| unknown("lesson", id))
}

fn find_module(mut content: Content, id: &str) -> Result<Module> {
    let index = module_at(&content, id)?;
    Ok(content.modules.swap_remove(index))
}

fn find_lesson(mut content: Content, id: &str) -> Result<Lesson> {
    let (module, index) = lesson_at(&content, id)?;
    Ok(content.modules[module].lessons.swap_remove(index))
}

/// Puts an item at a place counted from 1 (absent: last) and numbers the list anew.
fn insert<T>(items: &mut Vec<T>, item: T, place: Option<i32>, order: impl Fn(&mut T) -> &mut i32) {
    let index = place.map_or(items.len(), |place| {
        usize::try_from(place.saturating_sub(1))
            .unwrap_or(0)
            .min(items.len())
    });
    items.insert(index, item);
    model::renumber(items.iter_mut().map(order));
}

fn unknown(what: &str, id: &str) -> Error {
    Error::new(&codes::NOT_FOUND, format!("the draft has no {what} `{id}`"))
}
