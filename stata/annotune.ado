*! version 0.1.0  annotune: from a codebook to a regression table
*! Calls annotune's command line, which Python brings (pip install annotune). Stata 16 or later, for frames.

program define annotune
    version 16
    gettoken verb rest : 0, parse(" ,")
    if `"`verb'"' == "" | `"`verb'"' == "," {
        display as error "what is annotune to do? annotune run, annotune classify ...; see {help annotune}"
        exit 198
    }
    if `"`verb'"' == "classify" annotune_classify `rest'
    else annotune_shell `macval(0)'
end

* Code a string variable with a tuned model; the labels come as new variables beside it, matched by row.
program define annotune_classify, rclass
    version 16
    syntax varname(string) [if] [in], Model(string) [GENerate(name) PRECision(string) DEVice(string)]
    if "`generate'" != "" confirm new variable `generate'
    if "`precision'" != "" local precision "--precision `precision'"
    if "`device'" != "" local device "--device `device'"
    marksample touse, novarlist
    quietly count if `touse'
    if r(N) == 0 error 2000
    local n = r(N)
    tempvar row link
    tempname texts coded
    tempfile stub
    quietly generate str18 `row' = string(_n, "%18.0f")
    capture noisily {
        frame put `row' `varlist' if `touse', into(`texts')
        frame `texts': rename (`row' `varlist') (_annotune_row _annotune_text)
        frame `texts': quietly save "`stub'_texts.dta"
        annotune_shell classify "`model'" "`stub'_texts.dta" "`stub'_coded.dta" ///
            --unit-id _annotune_row --text _annotune_text `precision' `device'
        frame create `coded'
        frame `coded' {
            quietly use "`stub'_coded.dta"
            rename unit_id `row'
            quietly ds *_status
            local status : word 1 of `r(varlist)'
            local variable = substr("`status'", 1, strlen("`status'") - strlen("_status"))
            if "`generate'" != "" & "`generate'" != "`variable'" rename `variable'* `generate'*
            quietly ds `row', not
            local new `r(varlist)'
        }
        confirm new variable `new'
        quietly frlink 1:1 `row', frame(`coded') generate(`link')
        quietly frget `new', from(`link')
    }
    local rc = _rc
    foreach file in texts.dta coded.dta coded.dta.record.json {
        capture erase "`stub'_`file'"
    }
    if `rc' exit `rc'
    return scalar N = `n'
    return local varlist `new'
    display as text "coded: " as result `n' as text " texts; new variables: " as result "`new'"
end

* Run annotune with these words, show what it says, and stop where it could not do it. Stata does not tell how a command
* of the shell ended, so the shell makes a file when all went well.
program define annotune_shell
    version 16
    local program "annotune"
    if `"$ANNOTUNE"' != "" local program `"$ANNOTUNE"'
    local call
    if c(os) == "Windows" local call "call"
    tempfile log done
    shell `call' "`program'" `macval(0)' > "`log'" 2>&1 && echo done > "`done'"
    capture confirm file "`log'"
    if !_rc type "`log'", asis
    capture confirm file "`done'"
    if _rc {
        display as error "annotune could not do it, and says why above; where it was not found, see {help annotune##where}"
        exit 198
    }
end
