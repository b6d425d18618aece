//! Prices in Chinese: why one is held or skipped, fields, kinds of billing, answers.

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::unpriced::Billed;
use lockstep_core::prices::values::Kind;
use lockstep_run::prices::verify::Verified;
use lockstep_store::prices::OutputBy;
use lockstep_store::prices::answers::AnswerKind;

use super::names;
use super::source::doubt;
use crate::words::Said;

const ANSWER: &str = "确认无误请应用，否则请锁定该价格或忽略该模型。";

/// What to do where nobody's yes helps.
const NO_PRICE: &str = "这样的值绝不会写入：请让来源更正，或选择其他来源。忽略该模型后不再提示。";

/// Why a price is held or skipped. `code` is one that is about prices.
pub(super) fn reason(code: ReasonCode, reason: &Reason) -> Said {
    let count = reason.count.unwrap_or(0);
    let of = reason.of.unwrap_or(0);
    let limit = reason.limit.unwrap_or(0);
    let held = |text: String| Said::new(format!("待确认：{text}"), ANSWER);
    match code {
        ReasonCode::NotANumber => Said::new("待确认：来源给出的值不是数字", NO_PRICE),
        ReasonCode::Negative => Said::new("待确认：来源给出的值小于零", NO_PRICE),
        ReasonCode::ZeroCrossing => held("将变为免费，或不再免费".to_owned()),
        ReasonCode::Placeholder => held("37.5 是网关对未设置价格的模型显示的占位值".to_owned()),
        ReasonCode::Tenfold => held("超过原价的十倍，或不到十分之一".to_owned()),
        ReasonCode::UnitSlip => held("相差约一千倍，可能弄错了单位".to_owned()),
        ReasonCode::KindChange => held("计费方式将改变".to_owned()),
        ReasonCode::LargeFall => held(format!("将降价 {count}%（上限 {limit}%）")),
        ReasonCode::LargeRise => held(format!("将涨价 {count}%（上限 {limit}%）")),
        ReasonCode::FirstSeen => Said::new(
            "待确认：来源给出该值还不到一小时",
            "如果下次自动执行时来源仍是该值，就会写入。",
        ),
        ReasonCode::LoneSource => held(format!("仅此来源如此，另有 {count} 个来源均给出不同的值")),
        ReasonCode::UnknownCost => held("无法得知该计费表达式的实际费用".to_owned()),
        ReasonCode::UnknownGroup => Said::new(
            format!(
                "待确认：来源没有给出分组 {} 的倍率",
                names(&reason.names, 1)
            ),
            "请在“来源”中为其选择实际存在的分组。",
        ),
        ReasonCode::PriceBrake => Said::new(
            format!("待确认：一次运行将更改 {of} 个已定价模型中的 {count} 个（上限 {limit}%）"),
            "请核对这些更改，确认无误后应用。",
        ),
        ReasonCode::NoMajority => held(format!(
            "各来源的价格不一致，且其中没有模型的原厂：{}",
            names(&reason.names, 4)
        )),
        ReasonCode::UnwritableMap => Said::new(
            format!(
                "待确认：网关的价格表中有不是数字的条目（{}），写入整个表会使其变为免费",
                names(&reason.names, 3)
            ),
            "请在控制台的价格设置中更正或删除该条目，然后重新生成计划。",
        ),
        ReasonCode::UnknownExpression => Said::new("待确认：无法识别该计费表达式的语法", NO_PRICE),
        ReasonCode::NameMatch => Said::new(
            format!("待确认：在来源中的名称为 {}", names(&reason.names, 1)),
            "如果是同一个模型，请应用。",
        ),
        ReasonCode::NoSource => Said::new(
            "已跳过：没有任何已响应的来源提供它的价格",
            "请添加提供其价格的来源，或忽略该模型。",
        ),
        ReasonCode::LockedCompletion => Said::new(
            "已跳过：网关按内置的补全倍率计算该模型的输出费用",
            "无需处理；写入也不会有任何变化。",
        ),
        ReasonCode::Locked => Said::new("已跳过：您已锁定它", "解除锁定后即可写入。"),
        ReasonCode::Ignored => Said::new("已跳过：您已忽略它", "取消忽略后会再次给出建议。"),
        // The other codes are about model lists and have their words beside this.
        _ => Said::new(format!("待确认：{}", code.code()), ""),
    }
}

/// What went wrong with a price, or with a run about prices, in words.
pub(crate) fn price_failure(failure: &Failure) -> Said {
    let said = super::failure(failure);
    match failure.kind {
        FailureKind::Forbidden => Said::new(
            "403：令牌所属用户的角色权限不足，无法操作价格",
            "只有超级管理员（root，角色 100）可以读取和写入价格：请使用其系统访问令牌。管理员（角色 10）的令牌足以进行模型同步。",
        ),
        FailureKind::Moved => Said::new(
            "期间有人修改了该价格，已批准的更改不再适用",
            "没有覆盖任何内容。请重新生成计划。",
        ),
        FailureKind::NotStored => Said::new(
            "网关返回成功，但价格仍不一致",
            "请重新生成计划；如果仍然如此，请检查 Lockstep 与网关之间的中间环节。",
        ),
        FailureKind::Rejected => Said::new(
            said.message,
            "请查看网关控制台中的价格设置，然后重新生成计划。",
        ),
        FailureKind::RateLimited
        | FailureKind::ServerError
        | FailureKind::Timeout
        | FailureKind::ProviderError => Said::new(
            said.message,
            said.hint.replace("点击“仅重试失败项”", "重新获取价格"),
        ),
        _ => said,
    }
}

/// What a field is called.
pub(crate) fn field(field: Field) -> &'static str {
    match field {
        Field::ModelRatio => "模型倍率",
        Field::CompletionRatio => "补全倍率",
        Field::CacheRatio => "缓存倍率",
        Field::CreateCacheRatio => "创建缓存倍率",
        Field::ImageRatio => "图片倍率",
        Field::AudioRatio => "音频倍率",
        Field::AudioCompletionRatio => "音频补全倍率",
        Field::ModelPrice => "固定价格",
        Field::BillingMode => "计费模式",
        Field::BillingExpr => "计费表达式",
    }
}

/// How a model is billed.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::PerToken => "按量计费",
        Kind::PerCall => "按次计费",
        Kind::Expression => "表达式计费",
    }
}

/// What was decided about a price.
pub(crate) fn price_answer(answer: &AnswerKind, field: Option<Field>) -> String {
    let what = field.map_or("价格", self::field);
    match answer {
        AnswerKind::Lock => format!("{what}已锁定，不再更改"),
        AnswerKind::KeepKind(kind) => format!("始终{}", self::kind(*kind)),
        AnswerKind::Ignore => "已忽略：不给出建议，也不列入未设置价格的模型".to_owned(),
        AnswerKind::Keep(_) => format!("{what}保持不变，直到待确认的内容再次变化"),
        AnswerKind::Allow(code) => format!("始终允许：{}", doubt(*code)),
    }
}

/// What becomes of calls of a model.
pub(crate) fn billed(billed: Billed) -> &'static str {
    match billed {
        Billed::By(kind) => self::kind(kind),
        Billed::Placeholder => "按占位价格计费",
        Billed::Refused => "调用被拒绝",
        Billed::NoExpression => "调用失败：计费模式为表达式，但没有表达式",
    }
}

/// Said while the price page is asked.
pub(crate) const PAGE_IS_BEHIND: &str = "正在查询网关的价格页面，它可能有一分钟的延迟。";

/// What the gateway's price page says of what was written.
pub(crate) fn verified(verified: &Verified) -> String {
    if verified.otherwise.is_empty() && verified.shown == 0 {
        return format!(
            "网关的价格页面没有显示任何已写入的模型，因为没有用户可以使用它们：{}",
            names(&verified.not_shown, 12)
        );
    }
    if verified.otherwise.is_empty() {
        return "网关的价格页面已按写入的价格计费。".to_owned();
    }
    let said: Vec<String> = verified
        .otherwise
        .iter()
        .map(|odd| {
            let written = odd.written.as_deref().unwrap_or("无");
            format!(
                "{}（{}为 {}，而不是 {written}）",
                odd.model,
                field(odd.field),
                odd.shown
            )
        })
        .collect();
    format!(
        "网关的价格页面显示以下模型的计费与写入的不一致：{}。价格表中确实是写入的值，因此该页面可能是旧的：请一分钟后再看。\
         如果仍然如此，可能是网关的其他节点尚未读取新的设置，或者有缓存保留了该页面。",
        names(&said, 12)
    )
}

/// The price page could not be read.
pub(crate) fn page_unread(why: &str) -> String {
    format!("无法查询网关的价格页面，因此未经它确认；价格表本身已读回核对：{why}")
}

/// Who decides what output costs, where that is not the map.
pub(crate) fn output_by(by: OutputBy) -> Option<&'static str> {
    match by {
        OutputBy::Map => None,
        OutputBy::Gateway => Some("输出按网关内置的补全倍率计费，与配置无关"),
        OutputBy::Unknown => Some("输出价格在首次写入后才能确定：网关可能对该名称有内置倍率"),
    }
}

/// A part of a price, by its English name.
pub(crate) fn price_part(part: &str) -> &str {
    match part {
        "input" => "输入",
        "output" => "输出",
        "cache read" => "缓存读取",
        "cache write" => "缓存写入",
        "a call" => "每次调用",
        other => other,
    }
}
