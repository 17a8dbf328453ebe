#' What is coded: a codebook
#'
#' A codebook lists the variables that coders, people or models, fill in, and their labels with codes and definitions.
#' It is plain R: it can be printed, changed and saved like any list.
#'
#' @param x One of
#'   * the path of a file: `.yaml`; a sheet (`.xlsx`, `.csv`) with the columns variable, code and name; or a `.dta`,
#'     `.sav` or `.rds` whose value labels or factor levels are the labels; or the codebook of a program for qualitative
#'     work, `.qdc` or a sheet;
#'   * a factor or [haven::labelled()] vector: its levels or value labels, in their order; an ordered factor makes an
#'     ordinal variable;
#'   * a data frame with such columns, or with the columns variable, code and name, a row per label;
#'   * a list of the labels of each variable: `list(topic = c("Economy", "Health"))`, or with codes,
#'     `list(topic = c(Economy = 1, Health = 3))`.
#' @param variable What the variable is called, for a factor; which columns to take, for a file or data frame (all that
#'   are labelled, by default).
#' @param name What the codebook is called.
#' @param kind Of each variable: `"nominal"`, `"ordinal"` or `"multilabel"`; by default what `x` says.
#' @param ... Not used.
#' @return An object of class `at_codebook`: a list with `name`, `language` and `variables`, each with its `name`,
#'   `kind`, `instruction` and a tibble of `labels` (code, name, definition, examples, parent).
#' @examples
#' at_codebook(factor(c("yes", "no"), levels = c("yes", "no")), variable = "vote")
#' topics <- at_codebook(list(topic = c(Economy = 1, Health = 3)))
#' tidy(topics)
#' @export
at_codebook <- function(x, variable = NULL, name = NULL, kind = NULL, ...) {
  UseMethod("at_codebook")
}

#' @export
at_codebook.at_codebook <- function(x, variable = NULL, name = NULL, kind = NULL, ...) {
  if (!is.null(variable)) x$variables <- lapply(variable, function(one) codebook_variable(x, one))
  if (!is.null(kind)) x$variables <- lapply(x$variables, utils::modifyList, list(kind = require_kind(kind)))
  if (!is.null(name)) x$name <- name
  x
}

#' @export
at_codebook.character <- function(x, variable = NULL, name = NULL, kind = NULL, ...) {
  if (length(x) != 1 || is.na(x)) {
    abort("A codebook is read from one file.", "For labels, give a list: list(topic = c(\"Economy\", \"Health\")).")
  }
  at_codebook(at_call("read_codebook", path = as_path(x), variable = variable), name = name, kind = kind)
}

#' @export
at_codebook.factor <- function(x, variable = NULL, name = NULL, kind = NULL, ...) {
  kind <- kind %||% if (is.ordered(x)) "ordinal" else "nominal"
  labels <- levels(x)[!is.na(levels(x))]
  make_codebook(list(make_variable(variable %||% "label", labels, seq_along(labels), kind)), name)
}

#' @export
at_codebook.haven_labelled <- function(x, variable = NULL, name = NULL, kind = NULL, ...) {
  labels <- attr(x, "labels", exact = TRUE)
  codes <- if (is.character(labels)) seq_along(labels) else labels
  kept <- !is.na(codes) & codes >= 0 & codes == round(codes) & !is.na(haven_values(labels, x))
  if (any(!kept)) {
    left <- paste(sprintf("'%s'", names(labels)[!kept]), collapse = ", ")
    warn(sprintf("%d value labels of missing or negative codes were left out: %s.", sum(!kept), left))
  }
  entry <- make_variable(
    variable %||% "label", names(labels)[kept], codes[kept], kind %||% "nominal", attr(x, "label", exact = TRUE) %||% ""
  )
  make_codebook(list(entry), name)
}

# User-missing codes are NA to is.na(), but only as part of their column.
haven_values <- function(labels, x) {
  if (!inherits(x, "haven_labelled_spss")) {
    return(labels)
  }
  haven::labelled_spss(
    unname(labels),
    na_values = attr(x, "na_values", exact = TRUE), na_range = attr(x, "na_range", exact = TRUE)
  )
}

#' @export
at_codebook.data.frame <- function(x, variable = NULL, name = NULL, kind = NULL, ...) {
  if (all(c("variable", "code", "name") %in% names(x))) {
    return(at_codebook(codebook_of_rows(x), variable, name, kind))
  }
  labelled <- names(x)[vapply(x, function(column) is.factor(column) || inherits(column, "haven_labelled"), NA)]
  wanted <- variable %||% labelled
  strange <- setdiff(wanted, labelled)
  if (length(wanted) == 0 || length(strange)) {
    what <- if (length(strange)) sprintf("The column '%s' is no factor and has no value labels.", strange[1])
    abort(what %||% "No column is a factor or has value labels.", "Make it a factor, its levels in order.")
  }
  parts <- lapply(wanted, function(one) at_codebook(x[[one]], one, kind = kind)$variables[[1]])
  make_codebook(parts, name)
}

#' @export
at_codebook.list <- function(x, variable = NULL, name = NULL, kind = NULL, ...) {
  if (is.null(names(x)) || !all(nzchar(names(x)))) {
    abort("The list of labels has no names.", "Name each variable: list(topic = c(\"Economy\", \"Health\")).")
  }
  parts <- lapply(names(x), function(one) {
    labels <- x[[one]]
    codes <- if (is.numeric(labels)) labels else seq_along(labels)
    make_variable(one, if (is.numeric(labels)) names(labels) else labels, codes, kind %||% "nominal")
  })
  at_codebook(make_codebook(parts, name), variable)
}

#' @export
at_codebook.default <- function(x, variable = NULL, name = NULL, kind = NULL, ...) {
  abort(
    sprintf("A codebook cannot be made of an object of class '%s'.", class(x)[1]),
    "Give a file's path, a factor, a labelled vector, a data frame, or a list of labels."
  )
}

#' A codebook with a variable for each level
#'
#' Labels may be parts of others: a label's `parent` is the code of the label above it. `at_levels()` makes a variable
#' for each level, of which [at_roll_up()] makes codings; agreement, evaluation, shares, regressions and files of a level
#' are then those of its variable.
#'
#' @param codebook A codebook, from [at_codebook()], some of whose labels have a parent.
#' @return A codebook: in place of a variable `topic` with two levels `topic_major` and `topic_minor`; of more levels
#'   `topic_level1`, `topic_level2` and so on. A label without others below it is a label of every level from its own on.
#' @examplesIf at_available()
#' rows <- data.frame(
#'   variable = "topic", code = c(1, 101, 103, 3),
#'   name = c("Economy", "Prices", "Jobs", "Health"), parent = c(NA, 1, 1, NA)
#' )
#' at_levels(at_codebook(rows))
#' @export
at_levels <- function(codebook) at_call("levels", codebook = codebook)

codebook_of_rows <- function(rows) {
  parts <- lapply(unique(as.character(rows$variable)), function(one) {
    mine <- rows[rows$variable == one, , drop = FALSE]
    of <- function(column, otherwise) if (column %in% names(mine)) mine[[column]] else otherwise
    entry <- make_variable(
      one, as.character(mine$name), mine$code, as.character(of("kind", "nominal"))[1],
      as.character(of("instruction", ""))[1]
    )
    entry$labels$definition <- as.character(of("definition", ""))
    entry$labels$parent <- as.integer(of("parent", NA))
    entry
  })
  make_codebook(parts, NULL)
}

make_variable <- function(name, labels, codes, kind, instruction = "") {
  labels <- tibble::tibble(
    code = as.integer(codes), name = enc2utf8(as.character(labels)), definition = "",
    examples = rep(list(character()), length(labels)), parent = NA_integer_
  )
  list(name = enc2utf8(name), kind = require_kind(kind), instruction = instruction, labels = labels)
}

require_kind <- function(kind) {
  kinds <- c("nominal", "ordinal", "multilabel")
  if (!kind %in% kinds) abort(sprintf("There is no kind '%s' of variable.", kind), "Use nominal, ordinal, multilabel.")
  kind
}

# Faults show where the codebook is made, not where it is used first.
make_codebook <- function(variables, name) {
  for (entry in variables) {
    labels <- entry$labels
    twice <- anyDuplicated(labels$code)
    if (twice) abort(sprintf("The code %d of '%s' is there twice.", labels$code[twice], entry$name), "Keep one.")
    if (nrow(labels) < if (entry$kind == "multilabel") 1 else 2) {
      abort(sprintf("The variable '%s' has too few labels.", entry$name), "A variable needs at least two.")
    }
    if (anyNA(labels$name) || anyNA(labels$code)) {
      abort(sprintf("A label of '%s' has no name or no code.", entry$name), "Give each a name, and a whole code.")
    }
  }
  structure(list(name = name %||% "", language = "en", variables = variables), class = "at_codebook")
}

# Where a codebook is wanted, its path will do.
as_codebook <- function(x, needed = FALSE) {
  if (is.null(x) && !needed || inherits(x, "at_codebook")) {
    return(x)
  }
  if (is_path(x)) {
    return(at_codebook(x))
  }
  abort(
    if (is.null(x)) "No codebook was given." else sprintf("An object of class '%s' is no codebook.", class(x)[1]),
    "Make one with at_codebook()."
  )
}

codebook_variable <- function(codebook, name = NULL) {
  names <- vapply(codebook$variables, function(entry) entry$name, "")
  if (is.null(name) && length(names) == 1) {
    return(codebook$variables[[1]])
  }
  listed <- paste(sprintf("'%s'", names), collapse = ", ")
  if (is.null(name)) abort("The codebook has several variables.", paste("Choose with `variable`:", listed))
  if (!name %in% names) {
    abort(sprintf("The codebook has no variable '%s'.", name), paste0("There are: ", listed, "."))
  }
  codebook$variables[[match(name, names)]]
}

# Across the boundary --------------------------------------------------------------------------------------------------

codebook_content <- function(codebook) {
  c(codebook[c("name", "language")], list(variables = lapply(codebook$variables, variable_content)))
}

variable_content <- function(entry) {
  rows <- lapply(seq_len(nrow(entry$labels)), function(i) {
    row <- entry$labels[i, ]
    drop_nulls(list(
      code = row$code, name = row$name, definition = row$definition, examples = as.list(row$examples[[1]]),
      parent = if (!is.na(row$parent)) row$parent
    ))
  })
  list(name = entry$name, kind = entry$kind, instruction = entry$instruction, labels = rows)
}

codebook_from_python <- function(x) {
  structure(
    list(name = x$name, language = x$language, variables = lapply(x$variables, variable_from_python)),
    class = "at_codebook"
  )
}

variable_from_python <- function(x) {
  part <- function(name, type) vapply(x$labels, function(label) label[[name]], type)
  labels <- tibble::tibble(
    code = part("code", 0L), name = part("name", ""), definition = part("definition", ""),
    examples = lapply(x$labels, function(label) as.character(unlist(label$examples))),
    parent = vapply(x$labels, function(label) label$parent %||% NA_integer_, 0L)
  )
  list(name = x$name, kind = x$kind, instruction = x$instruction, labels = labels)
}

#' @export
format.at_codebook <- function(x, ...) {
  lines <- lapply(x$variables, function(entry) {
    asked <- if (nzchar(entry$instruction)) paste0(": ", entry$instruction) else ""
    c(
      sprintf("%s (%s)%s", entry$name, entry$kind, asked),
      sprintf("  %s %s", format(entry$labels$code), entry$labels$name)
    )
  })
  c(sprintf("<codebook>%s", if (nzchar(x$name)) paste0(" ", x$name) else ""), unlist(lines))
}

#' @export
print.at_codebook <- function(x, ...) {
  cli::cat_line(format(x))
  invisible(x)
}

#' @describeIn at_codebook A row per label: variable, kind, code, name, definition, parent.
#' @export
tidy.at_codebook <- function(x, ...) {
  rows <- lapply(x$variables, function(entry) {
    tibble::tibble(
      variable = entry$name, kind = entry$kind, entry$labels[c("code", "name", "definition", "parent")]
    )
  })
  vctrs::vec_rbind(!!!rows)
}
