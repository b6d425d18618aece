//! What somebody did beside runs, told to the reader in a line.

use lockstep_core::change::Subject;
use lockstep_core::hold::Answer;
use lockstep_core::prices::field::Field;
use lockstep_core::settings::Settings;
use serde_json::Value;

use super::Lang;
use crate::ordering;
use crate::server::caller::Scope;

/// How many names of many are told.
const FIRST: usize = 3;

/// What a setting is where nobody says anything else; `None` where that is nothing.
fn usual(key: &str) -> Option<String> {
    Some(ordering::text_of(&Settings::default(), key)).filter(|text| !text.is_empty())
}

impl Lang {
    /// What was done, by its kind and what belongs to it; a kind that is not known, by its code.
    pub(crate) fn deed(self, kind: &str, data: &Value) -> String {
        let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| data.get(key).and_then(Value::as_i64).unwrap_or_default();
        let texts = |key: &str| -> Vec<String> {
            let list = data.get(key).and_then(Value::as_array);
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let names = |key: &str| self.names(&texts(key), FIRST);
        let fields = |called: for<'a> fn(Self, &'a str) -> &'a str| {
            let fields = texts("changed");
            let fields = fields.iter().map(|field| called(self, field).to_owned());
            self.names(&fields.collect::<Vec<_>>(), usize::MAX)
        };
        let scopes = || {
            let said = texts("scopes")
                .into_iter()
                .map(|code| match Scope::from_code(&code) {
                    Some(scope) => self.words().tokens.scope(scope).to_owned(),
                    None => code,
                });
            self.names(&said.collect::<Vec<_>>(), FIRST)
        };
        let name = match text("name") {
            "" => text("url"),
            name => name,
        };
        match kind {
            "site_added" => either!(
                self,
                format!("Connected the gateway {name}"),
                format!("连接了网关 {name}")
            ),
            "site_changed" => {
                let fields = fields(Self::site_field);
                either!(
                    self,
                    format!("Changed the gateway's connection: {fields}"),
                    format!("修改了网关连接：{fields}")
                )
            }
            "site_removed" => either!(
                self,
                format!("Removed the site {name}"),
                format!("删除了站点 {name}")
            ),
            "site_default" => either!(
                self,
                "Made the site the default".to_owned(),
                "设为默认站点".to_owned()
            ),
            "settings_changed" => self.settings_changed(data),
            "channel_set" => either!(
                self,
                format!("Set policy or rules of channel {}", number("channel")),
                format!("设置了渠道 {} 的策略或规则", number("channel"))
            ),
            "provider_set" => either!(
                self,
                format!(
                    "Set policy or rules of all channels of {}",
                    text("base_url")
                ),
                format!("设置了上游 {} 所有渠道的策略或规则", text("base_url"))
            ),
            "names_released" => either!(
                self,
                format!(
                    "Gave names of channel {} back to the policy: {}",
                    number("channel"),
                    names("names")
                ),
                format!(
                    "将渠道 {} 的手动修改交还给策略：{}",
                    number("channel"),
                    names("names")
                )
            ),
            "holds_answered" => {
                let answer = Answer::from_code(text("answer"));
                let answer = answer.map_or(text("answer"), |answer| self.answer(answer).label);
                either!(
                    self,
                    format!("Answered what was held, {}: {answer}", self.about(data)),
                    format!("处理了待确认内容，{}：{answer}", self.about(data))
                )
            }
            "prices_answered" => self.prices_answered(text("answer"), text("field"), data),
            "source_added" => either!(
                self,
                format!("Added the price source {name}"),
                format!("添加了价格来源 {name}")
            ),
            "source_changed" => {
                let fields = fields(Self::source_field);
                either!(
                    self,
                    format!("Changed the price source {name}: {fields}"),
                    format!("修改了价格来源 {name}：{fields}")
                )
            }
            "source_accepted" => either!(
                self,
                format!("Accepted the shorter list of {name}"),
                format!("接受了 {name} 缩减后的列表")
            ),
            "source_moved" => either!(
                self,
                format!(
                    "Moved the price source {name} to place {}",
                    number("position")
                ),
                format!("将价格来源 {name} 移到第 {} 位", number("position"))
            ),
            "source_removed" => either!(
                self,
                format!("Removed the price source {name}"),
                format!("删除了价格来源 {name}")
            ),
            "schedule_set" => {
                let subject = data.pointer("/schedule/subject").and_then(Value::as_str);
                let subject = self.subject_of(subject.unwrap_or_default());
                either!(
                    self,
                    format!("Set the schedule: {subject}"),
                    format!("设置了计划任务：{subject}")
                )
            }
            "schedule_off" => {
                let subject = self.subject_of(text("subject"));
                either!(
                    self,
                    format!("Switched the schedule off: {subject}"),
                    format!("关闭了计划任务：{subject}")
                )
            }
            "notice_target_added" => either!(
                self,
                format!("Added {name} ({}) to who is told", text("host")),
                format!("添加了通知目标 {name}（{}）", text("host"))
            ),
            "notice_target_changed" => {
                let on = data.get("enabled").and_then(Value::as_bool) == Some(true);
                let host = text("host");
                let (en, zh) = match host.is_empty() {
                    true => (String::new(), String::new()),
                    false => (format!(", now at {host}"), format!("，现位于 {host}")),
                };
                either!(
                    self,
                    format!(
                        "Changed what {name} is told{en}{}",
                        if on { "" } else { ": nothing now" }
                    ),
                    format!(
                        "修改了 {name} 的通知内容{zh}{}",
                        if on { "" } else { "：已停用" }
                    )
                )
            }
            "notice_target_removed" => either!(
                self,
                format!("Removed {name} from who is told"),
                format!("删除了通知目标 {name}")
            ),
            "token_added" => either!(
                self,
                format!("Made the token {name} ({})", scopes()),
                format!("创建了令牌 {name}（{}）", scopes())
            ),
            "token_removed" => either!(
                self,
                format!("Revoked the token {name}"),
                format!("吊销了令牌 {name}")
            ),
            "sign_in" => either!(
                self,
                format!("Signed in from {}", text("address")),
                format!("从 {} 登录", text("address"))
            ),
            "sessions_ended" => either!(
                self,
                format!("Ended sign-ins: {}", number("count")),
                format!("结束了登录会话：{} 个", number("count"))
            ),
            "password" => match text("address") {
                "" => either!(
                    self,
                    "Set the password by a file".to_owned(),
                    "通过文件设置了密码".to_owned()
                ),
                address => either!(
                    self,
                    format!("Set the password from {address}"),
                    format!("从 {address} 设置了密码")
                ),
            },
            "password_link" => either!(
                self,
                "Made a link that sets a new password".to_owned(),
                "创建了用于设置新密码的链接".to_owned()
            ),
            "tick_lost_models" | "tick_lost_prices" => {
                let subject = kind.trim_start_matches("tick_lost_");
                let missed = Subject::from_code(subject)
                    .map(|subject| self.missed(subject, text("why"), text("detail")).message);
                let (subject, missed) = (self.subject_of(subject), missed.unwrap_or_default());
                either!(
                    self,
                    format!("Missed a scheduled time ({subject}): {missed}"),
                    format!("错过了一次计划任务（{subject}）：{missed}")
                )
            }
            other => other.to_owned(),
        }
    }

    fn settings_changed(self, data: &Value) -> String {
        let settings = data.get("settings").and_then(Value::as_object);
        let set: Vec<String> = settings
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                let label = self.setting(key).map_or(key.as_str(), |known| known.label);
                let said = |value: &str| {
                    let choice = self.choice(key, value);
                    choice.map_or(value.to_owned(), |choice| choice.label.to_owned())
                };
                match (value.as_str(), usual(key)) {
                    (Some(value), _) => format!("{label} {}", said(value)),
                    // What it is by default is what somebody chose.
                    (None, Some(usual)) => format!("{label} {}", said(&usual)),
                    (None, None) => {
                        either!(self, format!("{label} as usual"), format!("{label} 默认值"))
                    }
                }
            })
            .collect();
        let set = self.names(&set, FIRST);
        either!(
            self,
            format!("Changed settings: {set}"),
            format!("修改了设置：{set}")
        )
    }

    fn prices_answered(self, answer: &str, field: &str, data: &Value) -> String {
        let what = match answer {
            "lock" => either!(self, "Locked the price", "锁定了价格"),
            "keep_kind" => either!(self, "Set how it is billed", "设置了计费方式"),
            "ignore" => either!(self, "Ignored a model", "忽略了模型"),
            "unlock" => either!(self, "Unlocked the price", "解锁了价格"),
            "keep" => either!(self, "Kept the price until it changes", "保持价格直到变化"),
            "allow" => either!(self, "Always allowed a reason", "始终允许该原因"),
            _ => either!(self, "Answered about a price", "处理了价格"),
        };
        let about = self.about(data);
        let field = Field::from_code(field).map(|field| self.field(field));
        match field {
            Some(field) => either!(
                self,
                format!("{what}, {about}, {field}"),
                format!("{what}，{about}，{field}")
            ),
            None => either!(self, format!("{what}, {about}"), format!("{what}，{about}")),
        }
    }

    /// The channels or the models that a deed is about.
    fn about(self, data: &Value) -> String {
        let list = |key: &str| data.get(key).and_then(Value::as_array);
        let ids: Vec<i64> = list("channels")
            .into_iter()
            .flatten()
            .filter_map(Value::as_i64)
            .collect();
        if !ids.is_empty() {
            let ids = self.ids(&ids);
            return either!(self, format!("channels {ids}"), format!("渠道 {ids}"));
        }
        let models: Vec<String> = list("models")
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        self.names(&models, FIRST)
    }

    fn subject_of(self, code: &str) -> &'static str {
        Subject::from_code(code).map_or("", |subject| self.subject(subject))
    }

    fn site_field(self, field: &str) -> &str {
        match field {
            "name" => either!(self, "name", "名称"),
            "url" => either!(self, "address", "地址"),
            "user_id" => either!(self, "user ID", "用户 ID"),
            "console_url" => either!(self, "console address", "控制台地址"),
            "token" => either!(self, "Admin Token", "系统访问令牌"),
            "allow_private" => either!(self, "private networks", "私有网段"),
            other => other,
        }
    }

    /// A field of a price source, as its forms call it.
    fn source_field(self, field: &str) -> &str {
        match field {
            "token" => either!(self, "system access token", "系统访问令牌"),
            "user_id" => either!(self, "user ID", "用户 ID"),
            "headers" => either!(self, "headers", "请求头"),
            "list" => either!(self, "its list", "价格列表"),
            "endpoint" => either!(self, "sync endpoint", "同步端点"),
            "multiplier" => either!(self, "multiplier", "乘数"),
            "recharge" => either!(self, "recharge rate", "充值倍率"),
            "group" => either!(self, "group", "分组"),
            other => other,
        }
    }
}
