//! What is said of sources of prices, in Chinese.

use lockstep_core::formats::SkipReason;
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::source::SourceState;
use lockstep_run::prices::accept::Accepted;
use lockstep_store::prices::images::Image;
use lockstep_store::prices::run_sources::RunSource;

use super::names;
use crate::words::{Said, told_state};

/// What came of accepting a list that has shrunk.
pub(crate) fn list_accepted(one: &Accepted) -> String {
    let source = &one.source;
    if one.accepted {
        let before = one.before.unwrap_or(0);
        return format!(
            "{}：今后以这 {} 个模型（之前为 {before} 个）为其列表；重新生成的价格计划会再次采用它",
            source.name, source.models,
        );
    }
    format!(
        "{}：无需接受，其列表没有缩减：{}",
        source.name,
        source_state(source).message
    )
}

/// How far a source can be trusted, and what to do where it cannot.
pub(crate) fn source_state(source: &RunSource) -> Said {
    let detail = &source.detail;
    match told_state(source) {
        Some(SourceState::Ok) => Said::new("正常", ""),
        Some(SourceState::Partial) => Said::new("部分可用：有些条目无法使用", ""),
        Some(SourceState::Empty) => Said::new("为空：没有列出任何价格", "请检查该来源的端点。"),
        Some(SourceState::Shrunken) => Said::new(
            "条目不到上次正常列表的一半；不据此生成计划",
            "如果确实永久缩减了，请接受这个列表。",
        ),
        Some(SourceState::Stale) => Said::new(
            format!("没有获取到列表（{detail}）；显示的是上次正常的列表，不据此生成计划"),
            today(source).unwrap_or_else(|| "请稍后重新获取。".to_owned()),
        ),
        Some(SourceState::NeedsSignIn) => Said::new(
            format!("需要登录（{detail}）"),
            "如果是 New API 站点，请填写该站点的系统访问令牌和用户 ID。",
        ),
        Some(SourceState::Firewall) => Said::new(
            format!("返回的是防火墙页面，而不是列表（{detail}）"),
            "请在对方放行本机地址。",
        ),
        Some(SourceState::NotAPriceList) => {
            Said::new(format!("不是价格列表：{detail}"), "请检查地址和同步端点。")
        }
        Some(SourceState::PrivateAddress) => Said::new(
            format!("私有地址，未发起请求：{detail}"),
            "如果确实需要，请为该站点允许此网段。",
        ),
        Some(SourceState::Failed) | None => {
            Said::new(format!("失败：{detail}"), "请检查地址，然后重新获取。")
        }
    }
}

/// What to do about what keeps today's list from coming.
fn today(source: &RunSource) -> Option<String> {
    let state = source.failed.clone()?;
    let today = RunSource {
        state,
        failed: None,
        ..source.clone()
    };
    Some(source_state(&today).hint).filter(|hint| !hint.is_empty())
}

/// That a site did not take the token that it was sent, and what to do.
pub(crate) fn token_refused(source: &RunSource) -> Said {
    Said::new(
        format!("该站点未接受此令牌（{}）", source.detail),
        "请在该站点的个人设置中重新复制系统访问令牌（不是 sk- 开头的令牌），并核对其所属的用户 ID。在那里重新生成令牌会使旧令牌失效。",
    )
}

/// A source's state in a word or two.
pub(crate) fn source_badge(state: SourceState) -> &'static str {
    match state {
        SourceState::Ok => "正常",
        SourceState::Failed => "失败",
        SourceState::NeedsSignIn => "需要登录",
        SourceState::Firewall => "被防火墙拦截",
        SourceState::NotAPriceList => "不是价格列表",
        SourceState::Partial => "部分可用",
        SourceState::Shrunken => "列表缩减",
        SourceState::Empty => "空列表",
        SourceState::Stale => "已过时",
        SourceState::PrivateAddress => "私有地址",
    }
}

/// A map that somebody else wrote too while we did.
pub(crate) fn conflict(image: &Image) -> String {
    format!(
        "可能存在冲突：本次运行期间，{} 被其他人写入了 {} 次。在我们最后一次读取与写入之间的改动已丢失；该运行的记录中有写入前后的完整内容。",
        image.key, image.others
    )
}

/// Entries of a list that were not used.
pub(crate) fn skipped(reason: &str, count: u64, entries: &[String], all: bool) -> String {
    let most = if all { usize::MAX } else { 3 };
    let why = match SkipReason::from_code(reason) {
        Some(known) => skip_reason(known),
        None => reason,
    };
    format!("{count} 个未采用，{why}：{}", names(entries, most))
}

fn skip_reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Duplicate => "名称重复",
        SkipReason::NotANumber => "不是数字",
        SkipReason::NotAText => "不是文本",
        SkipReason::Null => "值为 null",
        SkipReason::TooLarge => "数值过大",
        SkipReason::RoundsToZero => "会舍入为零",
        SkipReason::Negative => "小于零",
        SkipReason::FreeInput => "输入免费而输出收费",
        SkipReason::PricedByLength => "按提示长度定价",
        SkipReason::PricedByTime => "按时段定价",
        SkipReason::PricedApart => "部分输出单独定价",
        SkipReason::OtherUnit => "按其他单位定价",
        SkipReason::NoPrice => "没有价格",
        SkipReason::PartLeftOut => "已采用，但略去了一部分",
        SkipReason::EmptyName => "名称为空",
        SkipReason::NameTooLong => "名称过长",
        SkipReason::UnknownShape => "格式无法识别",
        SkipReason::NotAMap => "不是对照表",
        SkipReason::GroupRatio => "分组倍率不是数字",
        SkipReason::UnknownGroup => "全部价格，列表中没有该分组",
    }
}

/// What looks wrong about a price, in a word or two.
pub(crate) fn doubt(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::Placeholder => "占位价格",
        ReasonCode::UnitSlip => "单位有误？",
        ReasonCode::ZeroCrossing => "变为或不再免费",
        ReasonCode::Negative => "小于零",
        ReasonCode::LoneSource => "仅此来源",
        ReasonCode::KindChange => "计费方式不同",
        ReasonCode::LockedCompletion => "输出按网关内置倍率",
        ReasonCode::NotANumber => "不是数字",
        ReasonCode::Tenfold => "相差十倍以上",
        ReasonCode::LargeFall => "大幅降价",
        ReasonCode::LargeRise => "大幅涨价",
        ReasonCode::FirstSeen => "首次出现",
        ReasonCode::PriceBrake => "更改过多",
        ReasonCode::NoMajority => "来源不一致",
        ReasonCode::UnwritableMap => "价格表有误",
        ReasonCode::UnknownExpression => "未知表达式",
        ReasonCode::UnknownCost => "费用未知",
        ReasonCode::UnknownGroup => "未知分组",
        ReasonCode::NameMatch => "名称相近",
        ReasonCode::NoSource => "没有来源",
        ReasonCode::Locked => "已锁定",
        ReasonCode::Ignored => "已忽略",
        other => other.code(),
    }
}
