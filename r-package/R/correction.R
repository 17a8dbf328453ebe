#' @rdname tidiers
#' @param method Of a correction: which estimates, `"corrected"`, `"naive"`, `"hand-coded only"`; all by default.
#' @param conf.int,conf.level Of a correction: whether intervals are among the columns. Their level is that of
#'   [at_correct()].
#' @export
tidy.at_correction <- function(x, method = NULL, conf.int = TRUE, conf.level = x$level, ...) {
  if (!isTRUE(all.equal(conf.level, x$level))) {
    abort(sprintf("The intervals are of level %g.", x$level), sprintf("Give at_correct(level = %g).", conf.level))
  }
  rows <- if (is.null(method)) x$estimates else correction_rows(x, method)
  if (!conf.int) rows <- rows[setdiff(names(rows), c("conf_low", "conf_high"))]
  as_broom(rows)
}

# The column names that broom's tables have, and that packages which draw or print regressions look for.
as_broom <- function(estimates) {
  names <- c(std_error = "std.error", p_value = "p.value", conf_low = "conf.low", conf_high = "conf.high")
  found <- names(estimates) %in% names(names)
  names(estimates)[found] <- names[names(estimates)[found]]
  estimates
}

#' @rdname tidiers
#' @export
glance.at_correction <- function(x, ...) {
  tibble::tibble(
    model = x$model, correction = x$method, nobs = nobs(x), n_coded = x$n_coded,
    nclusters = x$n_clusters %||% NA_integer_
  )
}

correction_rows <- function(object, method) {
  methods <- unique(object$estimates$method)
  strange <- setdiff(method, methods)
  if (length(strange)) {
    listed <- paste(sprintf("'%s'", methods), collapse = ", ")
    abort(sprintf("There are no estimates by '%s'.", strange[1]), paste0("There are: ", listed, "."))
  }
  object$estimates[object$estimates$method %in% method, ]
}

# Corrected where there is something corrected, else the only one there is.
main_method <- function(object) {
  methods <- unique(object$estimates$method)
  if (length(methods) == 1) methods else "corrected"
}

correction_names <- function(rows) ifelse(is.na(rows$equation), rows$term, paste0(rows$equation, ": ", rows$term))

#' Coefficients of a corrected regression
#'
#' @param object What [at_correct()] gave.
#' @param method `"corrected"`, `"naive"` or `"hand-coded only"`.
#' @param ... Not used.
#' @return A named vector; a matrix; the number of texts that the estimates are from.
#' @importFrom stats coef vcov nobs
#' @export
coef.at_correction <- function(object, method = main_method(object), ...) {
  rows <- correction_rows(object, method)
  stats::setNames(rows$estimate, correction_names(rows))
}

#' @rdname coef.at_correction
#' @export
vcov.at_correction <- function(object, method = main_method(object), ...) {
  names <- correction_names(correction_rows(object, method))
  matrix(object$covariance[[method]], length(names), dimnames = list(names, names))
}

#' @rdname coef.at_correction
#' @export
nobs.at_correction <- function(object, method = main_method(object), ...) {
  methods <- unique(object$estimates$method)
  if (method %in% methods) max(correction_rows(object, method)$n) else object$n
}

#' Coefficients of a corrected regression together
#'
#' `at_joint_test()`: are the coefficients of a covariate, such as all parties, 0? `at_contrast()`: how large is a
#' difference of coefficients, such as of two parties neither of which is the reference?
#'
#' @param fit What [at_correct()] gave.
#' @param terms A covariate, whose categories are tested together, or several covariates or terms.
#' @param weights A sum of terms, such as `"partyCon - partyLib"`, or a named vector of weights: `c(partyCon = 1,
#'   partyLib = -1)`.
#' @return A tibble with a row per method. `at_joint_test()`: method, terms, statistic, df, df_error, p_value, a
#'   chi-squared test, and with few clusters an F test (Hotelling's T-squared; Tipton and Pustejovsky 2015).
#'   `at_contrast()`: method, equation, contrast, estimate, std_error, statistic, p_value, conf_low, conf_high.
#' @examplesIf at_available()
#' data <- data.frame(side = rep(c("l", "m", "r"), 80), y_hat = rep(c(1, 0, 0, 1), 60))
#' data$y_gold <- rep(c(1, 0, 1, NA), 60)
#' fit <- at_correct(y ~ side, data, pi = 0.75)
#' at_joint_test(fit, "side")
#' at_contrast(fit, "sidem - sider")
#' @export
at_joint_test <- function(fit, terms) {
  at_call(
    "joint_test",
    correction = fit, terms = several(fit$estimates$term), methods = several(unique(fit$estimates$method)),
    which = several(terms)
  )
}

#' @rdname at_joint_test
#' @export
at_contrast <- function(fit, weights) {
  at_call(
    "contrast",
    correction = fit, terms = several(fit$estimates$term), methods = several(unique(fit$estimates$method)),
    weights = if (is.character(weights)) weights else as.list(weights)
  )
}

#' A regression of each method
#'
#' Packages that print regressions side by side take a list of them, and a row per term of each.
#'
#' @param x What [at_correct()] gave.
#' @param f,drop,... Not used.
#' @return A named list of objects of class `at_correction`: the hand-coded texts only, naive, and corrected. A table
#'   with a column for each is `modelsummary::modelsummary(split(fit))`.
#' @examplesIf at_available()
#' data <- data.frame(side = rep(c("l", "r"), 120), y_hat = rep(c(1, 0, 0, 1), 60))
#' data$y_gold <- rep(c(1, 0, 1, NA), 60)
#' lapply(split(at_correct(y ~ side, data, pi = 0.75)), tidy)
#' @export
split.at_correction <- function(x, f, drop = FALSE, ...) {
  methods <- unique(x$estimates$method)
  parts <- lapply(methods, function(method) {
    x$estimates <- correction_rows(x, method)
    x$covariance <- x$covariance[method]
    if (method != "corrected") x$sensitivity <- NULL
    if (!is.null(x$margins)) x$margins <- x$margins[x$margins$method == method, ]
    x
  })
  stats::setNames(parts, methods)
}

# Printing -------------------------------------------------------------------------------------------------------------

#' Print a corrected regression
#'
#' @param x What [at_correct()] gave.
#' @param layout `"journal"`: a column per method, standard errors in brackets; `"stacked"`: a row per method, with
#'   intervals and p-values.
#' @param ... Not used.
#' @return `x`, invisibly.
#' @export
print.at_correction <- function(x, layout = c("journal", "stacked"), ...) {
  cli::cat_line(correction_words(x, match.arg(layout)))
  invisible(x)
}

# The table in R's width; one that outlived its session as it was said then.
correction_words <- function(x, layout = "journal") {
  if (is.null(x$object) || reticulate::py_is_null_xptr(x$object)) {
    return(x$words)
  }
  wrapped(in_r_words(at_call(
    "summary",
    correction = x, width = getOption("width"), layout = layout, terms = several(x$estimates$term),
    methods = several(unique(x$estimates$method))
  )))
}

# R's words can be longer than Python's: lines of sentences that became too wide are wrapped again.
wrapped <- function(text) {
  lines <- strsplit(text, "\n", fixed = TRUE)[[1]]
  narrow <- lapply(lines, function(line) {
    if (nchar(line, "width") <= getOption("width")) return(line)
    strwrap(line, getOption("width") + 1)
  })
  paste(unlist(narrow), collapse = "\n")
}

# Names of terms -------------------------------------------------------------------------------------------------------

# Python's party[Green] is partyGreen in R; tables, coef() and print() have R's names, papers and Stata get Python's.
named_as_r <- function(fit, formula, data) {
  fit$estimates$term <- r_terms(fit$estimates$term, formula, data)
  for (part in c("sensitivity", "margins")) {
    if (!is.null(fit[[part]])) fit[[part]]$term <- r_terms(fit[[part]]$term, formula, data)
  }
  notes <- at_call(
    "notes",
    correction = fit, terms = several(fit$estimates$term), methods = several(unique(fit$estimates$method))
  )
  fit$notes <- as.list(in_r_words(unlist(notes)))
  fit$advice <- as.list(in_r_words(unlist(fit$advice)))
  fit$words <- correction_words(fit)
  fit
}

r_terms <- function(terms, formula, data) {
  written <- formula_variables(formula)
  vapply(terms, function(term) {
    parts <- strsplit(term, ":(?![^\\[]*\\])", perl = TRUE)[[1]] # a level in brackets may hold a colon
    variables <- vapply(parts, variable_written, "", written)
    named <- mapply(component_in_r, parts, variables, MoreArgs = list(data = data))
    paste(named[order(match(variables, written))], collapse = ":")
  }, "", USE.NAMES = FALSE)
}

# The right side's variables as the formula has them: year, factor(year), I(x^2), in R's order.
formula_variables <- function(formula) {
  parsed <- tryCatch(stats::as.formula(formula), error = function(error) NULL)
  covariates <- parsed[[length(parsed)]]
  if (is.call(covariates) && identical(covariates[[1]], as.name("|"))) covariates <- covariates[[2]]
  tryCatch(
    {
      right <- stats::as.formula(call("~", covariates))
      vapply(as.list(attr(stats::terms(right), "variables"))[-1], deparse1, "", backtick = TRUE)
    },
    error = function(error) character()
  )
}

# Which of them a part of Python's name is about: itself, or the one that makes categories of that column.
variable_written <- function(part, written) {
  column <- sub("\\[.*\\]$", "", part)
  exact <- match(plain_spelling(column), vapply(written, plain_spelling, ""))
  if (!is.na(exact)) {
    return(written[exact])
  }
  about <- vapply(written, function(one) identical(all.vars(str2lang(one)), column), NA)
  if (any(about)) written[about][1] else column
}

plain_spelling <- function(text) {
  text <- gsub("**", "^", gsub("[`[:space:]]", "", text), fixed = TRUE)
  gsub("'", "\"", text, fixed = TRUE)
}

component_in_r <- function(part, variable, data) {
  if (part == "Intercept") {
    return("(Intercept)")
  }
  level <- if (grepl("\\[.*\\]$", part)) sub("^[^[]*\\[(.*)\\]$", "\\1", part) else ""
  true <- is.logical(data[[part]]) || grepl("^[^(]*[!=]=", variable)
  paste0(variable, if (level == "" && true) "TRUE" else level)
}
