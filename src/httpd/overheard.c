/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/overheard.h"

#include <apr_strings.h>

#include "httpd/authz.h"
#include "httpd/expr.h"
#include "httpd/values.h"

APLOG_USE_MODULE(oidc_gate);

/* Whether another module has the directive. If none does, the gate must not make it look as if one
 * did. */
static const char *check_overheard(const cmd_parms *cmd)
{
    module *other = ap_top_module;

    for (; ap_find_command_in_modules(cmd->cmd->name, &other); other = other->next) {
        if (other != &oidc_gate_module)
            return NULL;
    }
    return apr_psprintf(cmd->pool,
                        "Invalid command '%s', perhaps misspelled or defined by a module not "
                        "included in the server configuration",
                        cmd->cmd->name);
}

const char *gate_overhear_auth_type(cmd_parms *cmd, void *dir, const char *arguments)
{
    const char *type = ap_getword_conf(cmd->pool, &arguments), *problem;
    gate_config_line line = {.cmd = cmd, .pool = cmd->pool};

    if (gate_expr_is_mentioned(type)) /* whom it asks for depends on it */
        return "AuthType cannot depend on who somebody is: nobody is known before it is";
    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS))
        return strcasecmp(type, "OIDCGate")
                   ? DECLINE_CMD
                   : "AuthType OIDCGate cannot stand in .htaccess: say it in a <Location> or "
                     "<Directory> of the server's configuration";
    problem = check_overheard(cmd);
    if (problem)
        return problem;
    line.written = gate_dir_begin(cmd, dir);
    line.written->auth_type = type;
    gate_line_set(&line, GATE_FIELD_auth_type);
    return DECLINE_CMD;
}

const char *gate_overhear_server_name(cmd_parms *cmd, void *dir, const char *arguments)
{
    gate_config_line line = {.cmd = cmd, .pool = cmd->pool};

    line.written = gate_dir_begin(cmd, dir);
    line.written->named = cmd->server;
    gate_line_set(&line, GATE_FIELD_named);
    return DECLINE_CMD;
}

const char *gate_overhear_tls(cmd_parms *cmd, void *dir, const char *arguments)
{
    const char *word = ap_getword_conf(cmd->pool, &arguments), *problem = check_overheard(cmd);
    gate_config_line line = {.cmd = cmd, .pool = cmd->pool};

    if (problem)
        return problem;
    line.written = gate_dir_begin(cmd, dir);
    line.written->tls = !strcasecmp(word, "on");
    gate_line_set(&line, GATE_FIELD_tls);
    return DECLINE_CMD;
}

const char *gate_overhear_require(cmd_parms *cmd, void *dir, const char *arguments)
{
    const char *problem = check_overheard(cmd);

    if (!problem)
        problem = gate_check_require(cmd, arguments);
    return problem ? problem : DECLINE_CMD;
}

/* httpd decides which <If> hold before anybody can be known. */
const char *gate_overhear_if(cmd_parms *cmd, void *dir, const char *arguments)
{
    if (!gate_expr_is_mentioned(arguments))
        return DECLINE_CMD;
    return apr_psprintf(
        cmd->pool,
        "%s %s: it is decided before anybody has signed in, when every %%{OIDC:...} "
        "is empty. Say Require claim or Require expr where it is about who may "
        "pass, and put the expression into the directive itself (Header, "
        "RequestHeader, RewriteCond expr) where it is not.",
        cmd->directive->directive, arguments);
}

/* What is asked before anybody can be known is told so, once a start. */
const char *gate_overhear_early(cmd_parms *cmd, void *dir, const char *arguments)
{
    const char *problem = check_overheard(cmd);

    if (problem)
        return problem;
    if (gate_expr_is_mentioned(arguments) && gate_config_is_last_pass() &&
        !ap_check_cmd_context(cmd, NOT_IN_HTACCESS))
        ap_log_perror(APLOG_MARK, APLOG_WARNING | APLOG_STARTUP, 0, cmd->temp_pool,
                      "%s %s (%s): it is asked before anybody has signed in, when every "
                      "%%{OIDC:...} is empty. OIDCGateEnv makes variables of claims.",
                      cmd->directive->directive, arguments,
                      gate_directive_place(cmd->temp_pool, cmd->directive));
    return DECLINE_CMD;
}

/* In a <Location> or <Directory> it is asked afterwards. */
const char *gate_overhear_rewrite_cond(cmd_parms *cmd, void *dir, const char *arguments)
{
    const char *problem = check_overheard(cmd);

    if (problem)
        return problem;
    return gate_directive_heading(cmd->directive) ? DECLINE_CMD
                                                  : gate_overhear_early(cmd, dir, arguments);
}
