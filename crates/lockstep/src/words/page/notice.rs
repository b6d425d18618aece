//! What is wrong now, and why nobody was told of it.

use lockstep_core::change::Subject;
use lockstep_core::notices::{About, Finding, What};

use super::{Lang, Said, zh};
use crate::notify::{Cause, Why};
use crate::view::prices::{dollars, moves};

impl Lang {
    /// One line of a notice.
    pub(crate) fn notice_line(self, finding: &Finding, subject: Subject) -> String {
        let about = match &finding.about {
            About::Run => either!(self, "The run", "本次运行").to_owned(),
            About::Channel(id, name) => format!("{id} {name}"),
            About::Model(name) | About::Source(name) => name.clone(),
        };
        let what = match &finding.what {
            What::Failed(failed) => match subject {
                Subject::Models => self.failure(failed).message,
                Subject::Prices => self.price_failure(failed).message,
            },
            What::Held(held, _) => self.reason(held).message,
            What::List {
                added,
                removed,
                first_added,
                first_removed,
            } => self.list_moves([(*added, first_added), (*removed, first_removed)]),
            What::Price(old, new, _) => {
                let moves = moves(Some(old), Some(new)).into_iter();
                let lines: Vec<String> = moves
                    .map(|(part, old, new)| {
                        let none = either!(self, "none", "无");
                        let side = |sum: Option<String>| sum.unwrap_or_else(|| none.to_owned());
                        let part = either!(self, part, zh::price_part(part));
                        format!("{part} {} → {}", side(old), side(new))
                    })
                    .collect();
                match lines.is_empty() {
                    true => either!(self, "another price", "价格不同").to_owned(),
                    false => self.names(&lines, usize::MAX),
                }
            }
            What::Source(state, detail) => {
                let state = self.source_badge(*state);
                match detail.as_str() {
                    "" => state.to_owned(),
                    detail => either!(
                        self,
                        format!("{state} ({detail})"),
                        format!("{state}（{detail}）")
                    ),
                }
            }
            What::Unpriced => return about,
            What::Missed { why, detail } => {
                let said = self.missed(subject, why, detail);
                return format!("{} {}", said.message, said.hint);
            }
            What::Below {
                ours,
                cost,
                per_call,
            } => {
                let (ours, cost) = (dollars(*ours), dollars(*cost));
                let unit = match per_call {
                    true => either!(self, "a call", "每次调用"),
                    false => either!(self, "per million input tokens", "每百万输入 token"),
                };
                either!(
                    self,
                    format!("{ours} {unit}, and costs {cost}"),
                    format!("{unit} {ours}，成本 {cost}")
                )
            }
        };
        either!(self, format!("{about}: {what}"), format!("{about}：{what}"))
    }

    /// Names that came and went: how many, and the first of them.
    fn list_moves(self, [added, removed]: [(usize, &Vec<String>); 2]) -> String {
        let part = |sign: &str, (count, first): (usize, &Vec<String>)| {
            let more = count.saturating_sub(first.len());
            let names = self.names(first, usize::MAX);
            let rest = match more {
                0 => String::new(),
                more => either!(
                    self,
                    format!(" and {more} more"),
                    format!(" 以及另外 {more} 个")
                ),
            };
            (count > 0).then(|| format!("{sign}{count} {names}{rest}"))
        };
        let parts = [part("+", added), part("\u{2212}", removed)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => either!(self, "another order", "顺序不同").to_owned(),
            false => parts.join(either!(self, "; ", "；")),
        }
    }

    /// Why a run that nobody looks at did not do what it was to do.
    pub(crate) fn missed(self, subject: Subject, why: &str, detail: &str) -> Said {
        let said = |en: [String; 2], zh: [String; 2]| {
            let [message, hint] = either!(self, en, zh);
            Said { message, hint }
        };
        match why {
            "busy" => said(
                [
                    format!("The gateway was busy for 10 minutes ({detail})."),
                    "Nothing to do: the next one comes.".to_owned(),
                ],
                [
                    format!("网关被占用超过 10 分钟（{detail}）。"),
                    "无需处理：下一次会照常执行。".to_owned(),
                ],
            ),
            "no_token" => said(
                [
                    "The Admin Token is not stored for this gateway.".to_owned(),
                    "Give it in the settings.".to_owned(),
                ],
                [
                    "没有保存该网关的系统访问令牌。".to_owned(),
                    "请在设置中填写。".to_owned(),
                ],
            ),
            "no_source" => said(
                [
                    "No source of prices is remembered.".to_owned(),
                    "Choose them on Price sync, under Price sources.".to_owned(),
                ],
                [
                    "没有已保存的价格来源。".to_owned(),
                    "请在“上游价格同步”中选择来源。".to_owned(),
                ],
            ),
            "secret" => said(
                [
                    format!("A source of prices names {detail}, which is not set."),
                    format!("Set {detail} where the server is started."),
                ],
                [
                    format!("某个价格来源使用了 {detail}，但它没有设置。"),
                    format!("请在启动服务器的环境中设置 {detail}。"),
                ],
            ),
            "settings" => said(
                [
                    format!("A setting cannot be used: {detail}."),
                    "Mend it in the settings, the configuration file or the environment."
                        .to_owned(),
                ],
                [
                    format!("某项设置无法使用：{detail}。"),
                    "请在设置、配置文件或环境变量中更正。".to_owned(),
                ],
            ),
            "schedule" => said(
                [
                    format!("The schedule has no next time: {detail}."),
                    format!("Set it anew in the settings ({}).", self.subject(subject)),
                ],
                [
                    format!("该计划任务没有下一次时间：{detail}。"),
                    format!("请在设置中重新设置（{}）。", self.subject(subject)),
                ],
            ),
            "refused" => said(
                [
                    format!("The run ended without a write: {detail}."),
                    "Nothing to do: the next one plans anew.".to_owned(),
                ],
                [
                    format!("运行结束而没有写入：{detail}。"),
                    "无需处理：下一次会重新生成计划。".to_owned(),
                ],
            ),
            "interrupted" => said(
                [
                    "The run was interrupted while it still read: its process was stopped or killed."
                        .to_owned(),
                    "Nothing to do: it is begun again.".to_owned(),
                ],
                [
                    "运行在读取时中断：执行它的进程已停止或被终止。".to_owned(),
                    "无需处理：会自动重新执行。".to_owned(),
                ],
            ),
            _ => said(
                [
                    format!("The run could not be begun: {detail}."),
                    "Test the gateway in the settings.".to_owned(),
                ],
                [
                    format!("运行无法开始：{detail}。"),
                    "请在设置中测试网关。".to_owned(),
                ],
            ),
        }
    }

    /// Why a notice did not arrive, its likely cause, and what to do.
    pub(crate) fn notice_why(self, why: &Why) -> Said {
        let number = why.number.unwrap_or_default();
        let [en, zh] = cause(why.cause, number);
        let mut message = either!(self, en.0, zh.0).to_owned();
        if matches!(why.cause, Cause::Status | Cause::Code | Cause::NoEnd) {
            message = message.replace("{n}", &number.to_string());
        }
        if !why.detail.is_empty() {
            message += either!(self, ": ", "：");
            message += &why.detail;
        }
        Said {
            message,
            hint: either!(self, en.1, zh.1).to_owned(),
        }
    }
}

/// What happened and what to do, in both languages.
fn cause(cause: Cause, number: i64) -> [(&'static str, &'static str); 2] {
    match cause {
        Cause::PrivateAddress => [
            (
                "The address is private and was not called",
                "If it is meant, add its network under Private networks of the place. Link-local and metadata addresses are never called.",
            ),
            (
                "私有地址，未发起请求",
                "如果确实需要，请在该目标的“私有网段”中填写其网段。链路本地地址和元数据地址始终不会被请求。",
            ),
        ],
        Cause::Redirected => [
            (
                "The place leads to another address, which is not followed",
                "Give the place the address that it leads to.",
            ),
            (
                "对方重定向到其他地址，不会跟随",
                "请将该目标的地址改为重定向后的地址。",
            ),
        ],
        Cause::Timeout => [
            (
                "No answer in time",
                "Check that the place is up and this machine can reach it, then send a test.",
            ),
            (
                "响应超时",
                "请检查对方是否正常运行、本机能否访问，然后发送测试。",
            ),
        ],
        Cause::Unreachable => [
            (
                "Nothing answers at this address",
                "Check the address, that the place is up, and that this machine can reach it.",
            ),
            (
                "该地址没有响应",
                "请检查地址、对方是否正常运行，以及本机能否访问。",
            ),
        ],
        Cause::Tls => [
            (
                "The certificate was refused",
                "Use the name that the certificate is for, or have it renewed.",
            ),
            ("证书不被信任", "请使用与证书一致的域名，或更新证书。"),
        ],
        Cause::TooLarge => [
            (
                "The answer was too large to be read",
                "Check the address: what answers there takes no notices.",
            ),
            ("响应过大，未读取", "请检查地址：该地址不是通知接口。"),
        ],
        Cause::WrongAddress => [
            (
                "The address cannot be used",
                "Give the place its right address.",
            ),
            ("地址无法使用", "请更正该目标的地址。"),
        ],
        Cause::Broken => [
            (
                "The connection broke off, or the answer could not be read",
                "Send a test; if it stays so, look at what stands between here and the place.",
            ),
            (
                "连接中断或响应无法读取",
                "请重新发送测试；如果仍然如此，请检查中间的代理。",
            ),
        ],
        Cause::Status => match number {
            401 | 403 => [
                (
                    "The place answered with status {n}",
                    "It does not accept the address or the secret: make new ones there, and give them to the place.",
                ),
                (
                    "对方返回状态码 {n}",
                    "对方不接受该地址或密钥：请在对方重新生成，再更改该目标。",
                ),
            ],
            404 | 410 => [
                (
                    "The place answered with status {n}",
                    "There is nothing at this address: copy it once more from where it was made, and give it to the place.",
                ),
                (
                    "对方返回状态码 {n}",
                    "该地址不存在：请重新复制地址，再更改该目标。",
                ),
            ],
            408 | 425 | 429 | 500.. => [
                (
                    "The place answered with status {n}",
                    "It is busy or in trouble; notices are tried again by themselves.",
                ),
                ("对方返回状态码 {n}", "对方繁忙或出现故障；通知会自动重试。"),
            ],
            _ => [
                (
                    "The place answered with status {n}",
                    "Check that it is the address for notices, and the secret.",
                ),
                (
                    "对方返回状态码 {n}",
                    "请检查地址是否为通知接口，以及密钥是否正确。",
                ),
            ],
        },
        Cause::Code => [
            (
                "The place refused it with error {n}",
                "Check the address and the secret; where the bot asks for a keyword, use Lockstep.",
            ),
            (
                "对方拒绝，错误码 {n}",
                "请检查地址和密钥；如果机器人要求关键词，请使用 Lockstep。",
            ),
        ],
        Cause::Refused => [
            (
                "The place refused it",
                "Check the bot's token and the chat.",
            ),
            ("对方拒绝了通知", "请检查机器人令牌和会话。"),
        ],
        Cause::NotItsAnswer => [
            (
                "What answered is something else than expected",
                "Check the address: it is not that of such a place.",
            ),
            ("响应与预期不符", "请检查地址：它不属于这种通知方式。"),
        ],
        Cause::Mail => [
            (
                "The mail server did not take it",
                "Check the server, its user and password, and that this sender may send there.",
            ),
            (
                "邮件服务器未接受",
                "请检查服务器、用户名和密码，以及该发件人是否有权发送。",
            ),
        ],
        Cause::NoMail => [
            (
                "The mail could not be made",
                "Check who it is from and to, and change the place.",
            ),
            ("无法生成邮件", "请检查发件人和收件人，再更改该目标。"),
        ],
        Cause::NoEnd => [
            (
                "Sending found no end in {n} seconds",
                "Check that the place is up; notices are tried again by themselves.",
            ),
            (
                "发送超过 {n} 秒仍未结束",
                "请检查对方是否正常运行；通知会自动重试。",
            ),
        ],
        Cause::CutOff => [
            (
                "Sending was cut off again and again",
                "The log of the server says why it was restarted.",
            ),
            ("发送多次被中断", "服务器日志中有重启的原因。"),
        ],
        Cause::SiteGone => [
            ("Its site was removed", "Nothing to do."),
            ("所属站点已删除", "无需处理。"),
        ],
        Cause::Unreadable => [
            (
                "What is stored of the place cannot be read",
                "Remove the place and add it again.",
            ),
            ("无法读取该目标的已保存内容", "请删除该目标，再重新添加。"),
        ],
        Cause::Told => [
            ("It did not arrive", "Send a test to see how it is now."),
            ("未送达", "请发送测试以了解当前情况。"),
        ],
    }
}
