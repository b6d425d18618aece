//! What went wrong, in Chinese: what happened, its likely cause, what to do.

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_run::EngineError;
use lockstep_store::StoreError;

use crate::words::Said;

/// A failure: what happened, its likely cause, what to do.
pub(crate) fn failure(failure: &Failure) -> Said {
    let detail = &failure.detail;
    let status = failure
        .http_status
        .map_or_else(String::new, |status| format!("{status} "));
    match failure.kind {
        FailureKind::NotConfigured => Said::new(
            format!("缺少配置{}", after_colon(detail)),
            "请在“New API 集成设置”中检查 New API 基础 URL、系统访问令牌和用户 ID 是否已正确填写。",
        ),
        FailureKind::Unauthorized => Said::new(
            "401 Unauthorized：系统访问令牌无效",
            "请在 New API 控制台的个人设置中重新生成系统访问令牌（不是 sk- 开头的令牌），并更新到设置中。重新生成后，旧令牌会在所有地方失效。",
        ),
        FailureKind::Forbidden => Said::new(
            "403：令牌所属用户的角色权限不足",
            "模型同步需要管理员（角色 10），并具备渠道的查看、操作和编辑权限。请改用管理员的令牌，或由超级管理员授权。",
        ),
        FailureKind::Firewall => Said::new(
            format!("{status}网关前的防火墙或代理返回了拦截页面；令牌本身可能没有问题"),
            "请在防火墙（Cloudflare、WAF、面板）中放行本机地址，或改用网关的内网地址。",
        ),
        FailureKind::RateLimited => Said::new(
            "429 请求受限：请求过于频繁",
            "请降低“每分钟请求数”或“并发数量”，或改用自动节奏；然后点击“仅重试失败项”。",
        ),
        FailureKind::ServerError => Said::new(
            format!("{status}网关服务器错误{}", after_colon(detail)),
            "请检查 New API 服务是否正常运行，然后点击“仅重试失败项”。",
        ),
        FailureKind::Timeout => Said::new(
            format!("网络超时{}", after_colon(detail)),
            "请检查网络；如果上游较慢，可调大“单渠道超时”；然后点击“仅重试失败项”。",
        ),
        FailureKind::Unreachable => Said::new(
            format!("网关没有响应{}", after_colon(detail)),
            "请检查 New API 基础 URL 是否正确、服务是否正常运行，以及本机能否访问它。",
        ),
        FailureKind::Tls => Said::new(
            format!("网关的证书不被信任{}", after_colon(detail)),
            "请使用与证书一致的域名，或更新证书。",
        ),
        FailureKind::Broken => Said::new(
            format!("响应中断或无法读取{}", after_colon(detail)),
            "请重试；如果仍然如此，请检查网关前的代理。",
        ),
        FailureKind::WrongAddress => Said::new(
            "地址错误：返回的是网页，而不是网关的 API",
            "请将 New API 基础 URL 填为网关的根地址，不带 /console 或 /v1；只有网关部署在子路径下时才带路径。",
        ),
        FailureKind::NotFound => Said::new(
            "404：该地址上没有网关的 API",
            "请将 New API 基础 URL 填为网关的根地址，不带 /console 或 /v1。",
        ),
        FailureKind::Redirected => Said::new(
            if detail.is_empty() {
                "该地址会重定向".to_owned()
            } else {
                format!("该地址会重定向到 {detail}")
            },
            "请将 New API 基础 URL 改为重定向后的地址；凭据绝不会跟随重定向发送。",
        ),
        FailureKind::OldFork => Said::new(
            "该网关是较旧的分支版本（渠道列表中没有总数）",
            "Lockstep 支持 2025 年及以后的 New API；请升级网关。未做任何更改。",
        ),
        FailureKind::NotRecognised => Said::new(
            "无法确认该网关是 New API，因此只读取、不写入",
            "可在设置中测试该站点以查看详情。未做任何更改。",
        ),
        FailureKind::TooLarge => Said::new(
            "响应超过 16 MiB，已拒绝",
            "请检查该地址上究竟是什么服务；正常的列表不会这么大。",
        ),
        FailureKind::NoSource => Said::new(
            "没有任何价格来源返回可信的列表，因此没有生成计划",
            "各来源的状态中写明了原因；请处理后重新获取。",
        ),
        FailureKind::RefusedAddress => Said::new(
            format!("该地址属于私有网络，未发起请求{}", after_colon(detail)),
            "如果确实需要，请在站点设置中允许其网段（例如 10.0.0.0/8）。链路本地地址和元数据地址始终不会访问。",
        ),
        FailureKind::Rejected => Said::new(
            format!("网关拒绝了请求{}", after_colon(detail)),
            "请在网关控制台中打开该渠道，查看它给出的提示。",
        ),
        FailureKind::ProviderStatus => provider_status(failure),
        FailureKind::ProviderError => Said::new(
            format!("上游没有返回模型列表{}", after_colon(detail)),
            "请在控制台中检查该渠道的 Base URL 和代理，然后点击“仅重试失败项”。",
        ),
        FailureKind::PartialPicture => Said::new(
            format!("渠道列表未能完整读取{}", after_colon(detail)),
            "可能有人正在新增或删除渠道，请重新执行。信息不完整时不会生成计划。",
        ),
        FailureKind::Moved => Said::new(
            "期间有人修改了该渠道，已批准的更改不再适用",
            "没有向它写入任何内容。请重新生成计划。",
        ),
        FailureKind::NotStored => Said::new(
            format!(
                "网关返回成功，但响应中的模型列表不一致{}",
                after_colon(detail)
            ),
            "请在控制台中查看该渠道，并检查 Lockstep 与网关之间的中间环节。",
        ),
        FailureKind::FieldsChanged => Said::new(
            format!("网关改动了该渠道的其他字段{}", after_colon(detail)),
            "该网关的行为与 New API 不同；请在控制台中恢复这些字段，查明原因之前不要用 Lockstep 写入。",
        ),
        FailureKind::Unverified => Said::new(
            format!("无法确定写入是否生效{}", after_colon(detail)),
            "请重新执行，读取后即可确定。",
        ),
        FailureKind::Gone => Said::new("该渠道已不在网关上", "无需处理；下次执行会略过它。"),
        FailureKind::Record => Said::new(
            format!(
                "无法写入日志记录，因此没有再发送任何请求{}",
                after_colon(detail)
            ),
            "请释放磁盘空间或修复数据库的权限，然后重新执行。",
        ),
        FailureKind::Internal => Said::new(
            "Lockstep 自身出错，操作已中断",
            "请重新执行；若再次出错，请附上当时的日志反馈该问题。",
        ),
        FailureKind::Interrupted => Said::new(
            format!(
                "已中断：读取尚未完成，执行它的进程就停止或被终止了{}。没有生成计划，也没有写入任何内容",
                after_colon(detail)
            ),
            "请重新执行。由定时计划发起的执行会自动重新开始。",
        ),
    }
}

fn provider_status(failure: &Failure) -> Said {
    let status = failure.http_status.unwrap_or(0);
    let message = format!("上游返回状态码：{status}");
    let hint = match status {
        401 | 403 => "该渠道的密钥在上游已失效：请在控制台中更换。",
        404 => "上游在该地址没有模型列表：请检查渠道的 Base URL，或选择“不再同步此渠道”。",
        429 => "上游对该密钥限流；请稍候，然后点击“仅重试失败项”。",
        500.. => "上游服务异常；请稍候，然后点击“仅重试失败项”。",
        _ => "请在控制台中检查该渠道的 Base URL 和密钥，然后点击“仅重试失败项”。",
    };
    Said::new(message, hint)
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!("：{detail}")
    }
}

/// Why a run could not be started or carried on, and what to do.
pub(crate) fn engine_error(error: &EngineError) -> Said {
    match error {
        EngineError::Store(error) => store_error(error),
        EngineError::Gateway(failure) => super::price_failure(failure),
        EngineError::Busy(holder) => Said::new(
            format!("该网关上已有另一个任务在运行（{holder}）"),
            "请等待它结束。被强制终止的进程会自动释放网关。",
        ),
        EngineError::NoSuchChannel(ids) => Said::new(
            format!("网关上没有渠道 {}", super::ids(ids)),
            "显示的渠道可能已过时，请刷新结果。",
        ),
        EngineError::NoSuchSource(name) => Said::new(
            format!("没有来源 {name}：网关上没有这样的带地址的渠道"),
            "请重新选择来源。",
        ),
        EngineError::NoSource => Said::new("尚未选择任何价格来源", "请先选择价格来源。"),
        EngineError::EmptySelection => Said::new("尚未选择渠道", "请至少选择一个渠道。"),
        EngineError::NothingFailed => Said::new("没有最近一次结果为失败的渠道", "无需重试。"),
        EngineError::NothingHeld => Said::new("没有待确认的内容", "无需处理。"),
        EngineError::NothingToUndo(run) => Said::new(
            format!("运行 {run} 没有可撤销的更改"),
            "它没有写入任何内容，或者没有写入所选的内容。",
        ),
        EngineError::UndoneAlready { run, by } => Said::new(
            format!("运行 {run} 已由运行 {by} 撤销"),
            "无需处理。如需恢复，请撤销后者。",
        ),
        EngineError::NothingReady(run) => Said::new(
            format!("运行 {run} 在所选渠道上没有可应用的更改；该运行保持原样"),
            "打开该运行可查看哪些可以应用、哪些待确认。",
        ),
        EngineError::NoRun => Said::new("没有可操作的运行", "请先生成计划。"),
        EngineError::NotPlanned { run, state } => Said::new(
            format!(
                "运行 {run} 的状态为“{}”，只有已生成计划的运行才能应用",
                super::code::run_state(*state)
            ),
            "请点击“预览”生成新的计划。",
        ),
        EngineError::Expired(run) => Said::new(
            format!("运行 {run} 的计划已超过 24 小时"),
            "请重新生成计划。",
        ),
        EngineError::PolicyChanged(run) => Said::new(
            format!("运行 {run} 生成计划之后，策略或规则有改动"),
            "请重新生成计划。",
        ),
        EngineError::PlanChanged(run) => Said::new(
            format!("运行 {run} 当前的计划与显示的计划不一致"),
            "请重新生成计划并再次确认。",
        ),
        EngineError::Stopping => Said::new(
            "Lockstep 正在停止，不再开始新任务",
            "请在它重新启动后再试。",
        ),
        EngineError::Internal => Said::new(
            "Lockstep 自身出错，任务已中断",
            "请重新执行；若再次出错，请附上当时的日志反馈该问题。",
        ),
        EngineError::Lost(why) => Said::new(
            format!("网关已由另一个实例接管（{why}）"),
            "接管的实例会继续该运行，请稍后再查看。",
        ),
        EngineError::Setting(bad) => {
            Said::new(format!("有一项设置无法使用：{bad}"), "请在设置中更正。")
        }
    }
}

/// What the database refused, and what to do. What is no visitor's business is only in the log.
pub(crate) fn store_error(error: &StoreError) -> Said {
    match error {
        StoreError::NotFound(what) => Said::new(
            format!("不存在：{what}"),
            "它可能已被删除，请返回上一页重新选择。",
        ),
        StoreError::Conflict(name) => Said::new(format!("名称“{name}”已被占用"), "请换一个名称。"),
        StoreError::Ambiguous { prefix, matches } => Said::new(
            format!("有 {matches} 个运行的 ID 以“{prefix}”开头"),
            "请输入更多位。",
        ),
        StoreError::Busy { holder } => Said::new(
            format!("另一个进程正在操作该网关（{holder}）"),
            "请等待它结束，或将其停止。",
        ),
        StoreError::WrongState { run, state, .. } => Said::new(
            format!(
                "运行 {run} 的状态为“{}”，不能执行该操作",
                super::code::run_state(*state)
            ),
            "请打开该运行查看当前状态。",
        ),
        StoreError::WrongSubject { run, subject, .. } => Said::new(
            format!(
                "运行 {run} 属于{}，不能执行该操作",
                super::code::subject(*subject)
            ),
            "请选择其他运行。",
        ),
        StoreError::Full => Said::new(
            "磁盘已满，无法写入数据库",
            "请释放磁盘空间后重试；在能够记录之前，不会向网关发送任何请求。",
        ),
        StoreError::Unavailable(_) => {
            Said::new("数据库暂时不可用", "请稍后重试。原因见服务器日志。")
        }
        _ => Said::new("Lockstep 内部出错", "原因见服务器日志。"),
    }
}
