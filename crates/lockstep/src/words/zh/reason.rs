//! Why something is held, skipped, kept or left out, in Chinese.

use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::plan::Note;

use super::{names, price};
use crate::view::table::short;
use crate::words::Said;

/// Why something is held or skipped, and what can be done.
pub(crate) fn reason(reason: &Reason) -> Said {
    let count = reason.count.unwrap_or(0);
    let of = reason.of.unwrap_or(0);
    let limit = reason.limit.unwrap_or(0);
    let answer = "确认无误请选择“仍然应用”，否则请选择其他处理方式。";
    match reason.code {
        ReasonCode::EmptyList => Said::new(
            "待确认：上游返回的列表为空，未移除任何模型",
            "请在控制台中检查该渠道的密钥和 Base URL；空列表绝不会写入。",
        ),
        ReasonCode::PartialList => Said::new(
            format!("待确认：上游列表的 {of} 个条目中有 {count} 个无法读取，未移除任何模型"),
            answer,
        ),
        ReasonCode::Shrunken => Said::new(
            format!(
                "待确认：上游列表只有 {count} 个模型，上次为 {of} 个（低于 {limit}%），未移除任何模型"
            ),
            answer,
        ),
        ReasonCode::TooManyRemoved => Said::new(
            if of >= 10 {
                format!("待确认：{of} 个模型中将移除 {count} 个（上限 {limit}%）")
            } else {
                format!("待确认：{of} 个模型中将移除 {count} 个（上限 {limit} 个）")
            },
            answer,
        ),
        ReasonCode::LastServer => Said::new(
            format!(
                "待确认：没有其他已启用的渠道提供 {}",
                names(&reason.names, 3)
            ),
            answer,
        ),
        ReasonCode::SecondRead => Said::new(
            format!("待确认：{count} 个名称从上游消失的时间，还没有达到自动移除要求的等待时间"),
            "如果下次自动执行时仍然没有，就会移除。",
        ),
        ReasonCode::RunBrake => Said::new(
            format!("待确认：一次运行将使 {of} 个上游中的 {count} 个失去模型（上限 {limit}%）"),
            "请检查是否有共同原因（代理、网络）。确认无误请应用待确认的更改。",
        ),
        ReasonCode::TooManyAdded => Said::new(
            format!(
                "待确认：将向现有的 {of} 个模型新增 {count} 个（上限为 {limit} 个且不超过列表的一半）"
            ),
            "如果该渠道的模型是精选的，请将策略设为“仅移除”，或设置允许的模型列表。如果全部都要，请选择“仍然应用”。",
        ),
        ReasonCode::WouldBeEmpty => Said::new(
            "待确认：模型列表将变为空，而网关无法保存空列表",
            "请在“渠道”页面检查该渠道的规则和允许的模型列表。",
        ),
        ReasonCode::Excluded => Said::new(
            "已跳过：策略排除了该渠道",
            "在“渠道”页面改用其他策略即可重新同步。",
        ),
        ReasonCode::ReportOnly => {
            Said::new("已跳过：策略为仅报告", "在“渠道”页面改用其他策略即可写入。")
        }
        ReasonCode::Disabled => Said::new(
            "已跳过：该渠道已禁用，而设置为只同步已启用的渠道",
            "关闭设置中的“仅同步已启用的渠道”即可同步它。",
        ),
        ReasonCode::NoModelList => Said::new(
            "已跳过：上游没有响应，且该渠道类型不提供模型列表",
            "无需处理；它的列表保持不变。",
        ),
        ReasonCode::AutoDisabled => Said::new(
            "已跳过：上游没有响应，网关已自动禁用该渠道",
            "请在控制台中修复或删除该渠道。",
        ),
        ReasonCode::EmptyBefore => Said::new(
            "无法撤销：它的列表原本为空，而网关无法保存空列表",
            "请在控制台中移除模型，或禁用该渠道。",
        ),
        ReasonCode::UndoneAlready => Said::new(
            format!("已由运行 {} 撤销", run(reason)),
            "无需处理；如需恢复，请撤销该运行。",
        ),
        ReasonCode::ChangedSince => Said::new(
            format!("无法撤销：此后运行 {} 已更改它", run(reason)),
            "请先撤销该运行，或在控制台中修改。",
        ),
        ReasonCode::Gone => Said::new("已跳过：该渠道已不在网关上", "无需处理。"),
        ReasonCode::NotWritten => {
            Said::new("已跳过：本次运行没有写入", "请重新预览，或点击“执行全部”。")
        }
        code => price::reason(code, reason),
    }
}

/// The run that a reason is about.
fn run(reason: &Reason) -> &str {
    reason.names.first().map_or("", |id| short(id))
}

/// Why a name stays.
pub(crate) fn kept(why: Kept) -> &'static str {
    match why {
        Kept::Pinned => "始终保留",
        Kept::Alias => "别名",
        Kept::DeadAlias => "别名，但其目标模型已不存在",
        Kept::Yours => "您手动添加的",
        Kept::Held => "移除待确认",
        Kept::Policy => "策略不移除模型",
        Kept::Answered => "保持不变，直到再次变化",
    }
}

/// Why a fetched name is not listed.
pub(crate) fn dropped(why: Dropped) -> &'static str {
    match why {
        Dropped::NotAllowed => "不在允许的模型列表中",
        Dropped::NotIncluded => "不匹配任何包含规则",
        Dropped::Excluded => "匹配排除规则",
        Dropped::AliasTarget => "仅作为别名的目标",
        Dropped::TakenOut => "您手动移除的",
        Dropped::Unwritable => "网关无法保存这样的名称",
        Dropped::Unpriced => "尚未设置价格",
        Dropped::Held => "新增待确认",
        Dropped::Policy => "策略不新增模型",
        Dropped::Answered => "暂不加入，直到再次变化",
    }
}

/// A note on a channel.
pub(crate) fn note(note: &Note) -> String {
    match note {
        Note::Renamed(from, to) => format!("仅大小写变化：{from} → {to}"),
        Note::BrokenMapping => "model_mapping（模型重定向）不是有效的 JSON，按没有处理".to_owned(),
        Note::LastServer(gone) => format!("最后一个提供 {} 的已启用渠道", names(gone, 3)),
        Note::OfferNeverSync(count) => {
            format!("已连续 {count} 次同样失败；可以选择“不再同步此渠道”")
        }
    }
}
