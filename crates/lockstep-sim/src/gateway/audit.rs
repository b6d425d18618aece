//! The log of what admins did, as `GET /api/log/?type=3` shows it.

use serde_json::{Value, json};

use crate::gateway::auth::Role;
use crate::gateway::routes::Query;

/// How the author of a row was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// By an access token, as programs are.
    Token,
    /// In the console, as people are.
    Session,
}

/// Rows in the order they were written.
#[derive(Debug, Default)]
pub(crate) struct Audit(Vec<Row>);

#[derive(Debug)]
struct Row {
    at: i64,
    role: Role,
    by: By,
    action: &'static str,
    params: Value,
}

impl Audit {
    pub(crate) fn option_updated(&mut self, at: i64, role: Role, by: By, key: &str) {
        self.write(at, role, by, "option.update", json!({"key":key}));
    }

    pub(crate) fn channel_updated(
        &mut self,
        at: i64,
        role: Role,
        by: By,
        id: i64,
        name: &str,
        changed: &[String],
    ) {
        self.write(
            at,
            role,
            by,
            "channel.update",
            json!({"id":id,"name":name,"changed_fields":changed}),
        );
    }

    pub(crate) fn channel_status(&mut self, at: i64, role: Role, id: i64, status: i64) {
        self.write(
            at,
            role,
            By::Token,
            "channel.status",
            json!({"id":id,"status":status}),
        );
    }

    fn write(&mut self, at: i64, role: Role, by: By, action: &'static str, params: Value) {
        self.0.push(Row {
            at,
            role,
            by,
            action,
            params,
        });
    }

    /// A page of rows, newest first, as `data` of the answer.
    pub(crate) fn page(&self, query: &Query) -> Value {
        let (page, size) = query.page();
        let from = query.number("start_timestamp").unwrap_or(0);
        let to = query
            .number("end_timestamp")
            .filter(|end| *end > 0)
            .unwrap_or(i64::MAX);
        let kind = query.number("type").unwrap_or(0);
        let rows: Vec<Value> = self
            .0
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, row)| (kind == 0 || kind == 3) && row.at >= from && row.at <= to)
            .map(|(index, row)| row.shown(index))
            .collect();
        let items: Vec<&Value> = rows.iter().skip((page - 1) * size).take(size).collect();
        json!({"items":items,"page":page,"page_size":size,"total":rows.len()})
    }
}

impl Row {
    fn shown(&self, index: usize) -> Value {
        let other = json!({
            "op": {"action":self.action,"params":self.params},
            "admin_info": {
                "admin_id": self.role.user_id(),
                "admin_username": self.role.username(),
                "admin_role": self.role.number(),
                "auth_method": match self.by {
                    By::Token => "access_token",
                    By::Session => "session",
                },
            },
        });
        json!({
            "id": index + 1,
            "user_id": self.role.user_id(),
            "created_at": self.at,
            "type": 3,
            "content": self.action,
            "username": self.role.username(),
            "token_name": "",
            "model_name": "",
            "quota": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "use_time": 0,
            "is_stream": false,
            "channel": 0,
            "channel_name": "",
            "token_id": 0,
            "group": "",
            "ip": "",
            "other": other.to_string(),
        })
    }
}
