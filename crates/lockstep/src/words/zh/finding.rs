//! The doctor's lines, in Chinese.

use std::time::Duration;

use lockstep_run::doctor::{Level, Topic};

use super::duration;
use crate::words::Said;

/// A line of the doctor.
pub(crate) fn finding(topic: Topic, level: Level, args: &[String]) -> Said {
    let arg = |index: usize| args.get(index).map_or("", String::as_str);
    let seconds = |index: usize| Duration::from_secs(arg(index).parse().unwrap_or(0));
    // Of many channels the first are named.
    let named = || {
        let all = arg(0).parse().unwrap_or(0_usize);
        match all.saturating_sub(arg(1).split(", ").count()) {
            0 => arg(1).to_owned(),
            more => format!("{} 等（另有 {more} 个）", arg(1)),
        }
    };
    match topic {
        Topic::Address => Said::new(format!("地址：{} 有响应", arg(0)), ""),
        Topic::Gateway => Said::new(format!("网关：{}", arg(0)), ""),
        Topic::Version => Said::new(format!("版本：{}", arg(0)), ""),
        Topic::Token => Said::new(format!("令牌：有效，用户 {}", arg(0)), ""),
        Topic::UserId => Said::new(
            format!("用户 ID：填写的是 {}，但令牌属于用户 {}", arg(0), arg(1)),
            "New API 不检查它，较旧的分支版本会拒绝。请在设置中更正用户 ID。",
        ),
        Topic::Role => {
            let name = match arg(0) {
                "100" => "超级管理员",
                "10" => "管理员",
                _ => "普通用户",
            };
            match level {
                Level::Ok if arg(0) == "100" => Said::new(format!("角色：{name}（100）"), ""),
                Level::Ok => Said::new(
                    format!("角色：{name}（{}），足以同步模型列表", arg(0)),
                    "操作价格需要超级管理员的系统访问令牌。",
                ),
                _ => Said::new(
                    format!("角色：{name}（{}），权限不足", arg(0)),
                    "模型同步需要管理员，并具备渠道的查看、操作和编辑权限。",
                ),
            }
        }
        Topic::Clock => Said::new(
            format!("时钟：与本机相差 {} 秒", arg(0)),
            if level == Level::Ok {
                ""
            } else {
                "请用 NTP 校准两台机器的时钟；网关要求的等待时间仍能正确识别。"
            },
        ),
        Topic::Channels => Said::new(format!("渠道：{} 个", arg(0)), ""),
        Topic::Limits => Said::new(
            format!(
                "限流：默认 3 分钟 360 次请求；一次运行按当前节奏需等待 {}，自动节奏为 {}",
                duration(seconds(0)),
                duration(seconds(1))
            ),
            "",
        ),
        Topic::OwnSync => Said::new(
            format!(
                "网关自带的自动同步已在 {} 个渠道上开启：{}",
                arg(0),
                named()
            ),
            "两个工具会修改同一份列表；请关闭其中一个（渠道 → 上游模型更新检查）。",
        ),
        Topic::Private => Said::new(
            format!("{} 个渠道使用私有地址：{}", arg(0), named()),
            "它们的模型列表通过网关读取，无需处理。",
        ),
    }
}

/// What a line of the doctor is about.
pub(crate) fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::Address => "地址",
        Topic::Gateway => "网关",
        Topic::Version => "版本",
        Topic::Token => "令牌",
        Topic::UserId => "用户 ID",
        Topic::Role => "角色",
        Topic::Clock => "时钟",
        Topic::Channels => "渠道",
        Topic::Limits => "限流",
        Topic::OwnSync => "网关自带的自动同步",
        Topic::Private => "私有地址",
    }
}
