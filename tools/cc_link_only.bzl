def _impl(ctx):  # passes on the libraries, but no headers, include paths or defines
    infos = cc_common.merge_cc_infos(cc_infos = [d[CcInfo] for d in ctx.attr.deps])
    return [CcInfo(linking_context = infos.linking_context), DefaultInfo()]
cc_link_only = rule(implementation = _impl, attrs = {"deps": attr.label_list(providers = [CcInfo])}, provides = [CcInfo])
