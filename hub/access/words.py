"""What is done with somebody's access, in words."""

from hub.access.tokens import Act, Role
from schemas.language import Text

ACTS: dict[Act, Text] = {
    "added": Text("access given", "授予权限"),
    "changed": Text("role or districts changed", "更改角色或管辖区"),
    "revoked": Text("access revoked", "撤销权限"),
    "token": Text("new token made", "生成新令牌"),
    "link": Text("sign-in link made", "生成登录链接"),
    "passphrase": Text("passphrase set", "设置口令"),
    "signed_in": Text("signed in", "登录"),
    "signed_out": Text("signed out everywhere", "退出全部登录"),
    "factor_on": Text("second factor set up", "启用两步验证"),
    "factor_off": Text("second factor taken off", "关闭两步验证"),
    "factor_reset": Text("second factor reset", "重置两步验证"),
    "recovered": Text("recovery code used", "使用恢复码"),
    "identity": Text("joined to an account of the city's sign-on", "关联统一身份认证账号"),
}
ROLE_NAMES: dict[Role, Text] = {
    "viewer": Text("inspector", "检查员"),
    "technician": Text("technician", "技术人员"),
    "collector": Text("collector", "采集员"),
    "officer": Text("officer", "执法人员"),
    "dispatcher": Text("dispatcher", "派遣员"),
    "handler": Text("handler", "处置人员"),
    "supervisor": Text("supervisor", "值班长"),
    "admin": Text("admin", "管理员"),
    "company": Text("enterprise", "排污单位"),
}
