//! STS.

use crate::wire::{Fail, Xml};
use crate::world::Ctx;

/// Does one call. GetCallerIdentity needs no permission, whatever a policy denies
/// (docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html).
pub(crate) fn call(ctx: &mut Ctx<'_>, operation: &str) -> Result<Xml, Fail> {
    if operation != "GetCallerIdentity" {
        return Err(Fail::new(
            "UnsupportedOperation",
            format!("The sandbox has no operation {operation} in STS."),
        ));
    }
    let mut xml = Xml::new();
    xml.text("Arn", &ctx.caller.arn).text("UserId", &ctx.caller.user_id).text("Account", &ctx.caller.account);
    Ok(xml)
}
