//! A source that is a file.

use std::sync::Arc;

use lockstep_core::failure::{Failure, FailureKind};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::http::LARGEST_BODY;

use super::Page;

/// Reads a file within the bounds of a reply.
pub(super) async fn read(path: &str) -> Result<Page, Failure> {
    let failed = |kind, text: String| Failure::new(kind, format!("file {path}: {text}"));
    let unreadable = |error: std::io::Error| failed(FailureKind::NotFound, error.to_string());
    // Asked before it is opened: opening a pipe waits for somebody to write into it.
    let metadata = tokio::fs::metadata(path).await.map_err(unreadable)?;
    if !metadata.is_file() {
        let text = "it is no ordinary file".to_owned();
        return Err(failed(FailureKind::NotFound, text));
    }
    let most = u64::try_from(LARGEST_BODY).unwrap_or(u64::MAX);
    let file = File::open(path).await.map_err(unreadable)?;
    let mut file = file.take(most.saturating_add(1));
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await.map_err(unreadable)?;
    if bytes.len() > LARGEST_BODY {
        let text = format!("it is larger than {LARGEST_BODY} bytes");
        return Err(failed(FailureKind::TooLarge, text));
    }
    let body = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = format!("it is not UTF-8, from byte {at} on");
        failed(FailureKind::Broken, text)
    })?;
    Ok(Page {
        url: format!("file:{path}"),
        body: Arc::new(body),
        etag: None,
        from_copy: false,
    })
}
