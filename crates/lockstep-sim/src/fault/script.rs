//! Faults that spoil the answer to a request that was applied.

use std::time::Duration;

use bytes::Bytes;

use crate::connection::{Answer, End, Reply, Script, Step};
use crate::fault::Fault;

/// Lets the client read what it has before the reset throws the rest away.
const READ_FIRST: Duration = Duration::from_millis(50);

impl Fault {
    /// What the client gets instead of this answer.
    pub(crate) fn spoil(self, mut reply: Reply) -> Answer {
        match self {
            Self::RefusedAfterApply(message) | Self::RefusedUnseen(message, _) => {
                reply.status = 200;
                reply.body =
                    Bytes::from(serde_json::json!({"message":message,"success":false}).to_string());
            }
            Self::HalfJson => {
                reply.body = reply.body.slice(..reply.body.len() / 2);
            }
            Self::Bom => reply.body = joined(&[b"\xef\xbb\xbf", &reply.body]),
            Self::InvalidUtf8 => reply.body = invalid_utf8(&reply.body),
            Self::WrongCharset => {
                let text = String::from_utf8_lossy(&reply.body).into_owned();
                reply.body = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                for (name, value) in &mut reply.headers {
                    if name == "Content-Type" {
                        *value = value.replace("utf-8", "utf-16le");
                    }
                }
            }
            Self::DuplicateKeys => {
                if let Some(rest) = reply.body.strip_prefix(b"{") {
                    reply.body = joined(&[b"{\"success\":false,\"data\":[\"first\"],", rest]);
                }
            }
            Self::ManyHeaders(count) => {
                for n in 0..count {
                    reply.headers.push((format!("X-Extra-{n}"), n.to_string()));
                }
            }
            Self::LongHeader(size) => reply.headers.push(("X-Long".to_owned(), "x".repeat(size))),
            Self::ResetAfterApply => return Answer::Script(Script::reset()),
            Self::ResetMidReply => {
                let whole = on_the_wire(&reply, reply.body.len());
                let steps = vec![
                    Step::Write(whole.slice(..whole.len() / 2)),
                    Step::Sleep(READ_FIRST),
                ];
                return Answer::Script(Script {
                    steps,
                    end: End::Reset,
                });
            }
            Self::Drip(gap) => return last(Step::Drip(on_the_wire(&reply, reply.body.len()), gap)),
            Self::ContentLengthTooLong => {
                return last(Step::Write(on_the_wire(&reply, reply.body.len() + 100_000)));
            }
            Self::ContentLengthTooShort => {
                return last(Step::Write(on_the_wire(&reply, reply.body.len() / 2)));
            }
            Self::ChunkedWithoutEnd => {
                let head = format!("{}Transfer-Encoding: chunked\r\n\r\n", reply.head_text());
                let chunk = format!("{:x}\r\n", reply.body.len());
                return last(Step::Write(joined(&[
                    head.as_bytes(),
                    chunk.as_bytes(),
                    &reply.body,
                    b"\r\n",
                ])));
            }
            // The rest changed what was done, or when, and not how it is told.
            _ => {}
        }
        Answer::Reply(reply)
    }
}

fn last(step: Step) -> Answer {
    Answer::Script(Script {
        steps: vec![step],
        end: End::Close,
    })
}

fn on_the_wire(reply: &Reply, content_length: usize) -> Bytes {
    let head = format!(
        "{}Content-Length: {content_length}\r\n\r\n",
        reply.head_text()
    );
    joined(&[head.as_bytes(), &reply.body])
}

fn joined(parts: &[&[u8]]) -> Bytes {
    Bytes::from(parts.concat())
}

/// Breaks the first string that is long enough, or the whole body when there is none.
fn invalid_utf8(body: &[u8]) -> Bytes {
    let mut bytes = body.to_vec();
    match bytes.iter().position(|byte| *byte == b'"') {
        Some(quote) => {
            bytes.splice(quote + 1..=quote, *b"\xff\xfe");
        }
        None => bytes.push(0xff),
    }
    Bytes::from(bytes)
}
