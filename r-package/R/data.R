#' Texts in: a corpus
#'
#' Reads a corpus from a file of any format, or takes one from a data frame. Identifiers are words, whatever they look
#' like; texts that are missing or blank stay as rows.
#'
#' Verbs that take a corpus also take the path of one: [at_classify()] then codes a corpus of any size without it ever
#' passing through R.
#'
#' @param x The path of a file (csv, tsv, tab, json, jsonl, parquet, xlsx, xls, ods, dta, sav, zsav, por, rds); a
#'   data frame; or a character vector of texts. One string is always a path.
#' @param unit_id,text The columns with the identifier and with the text.
#' @param covariates The other columns to keep; all of them, by default.
#' @param encoding Of a csv file; found out by default.
#' @return A tibble: `unit_id` (character), `text`, then the covariates, as they were.
#' @examplesIf at_available()
#' at_corpus(data.frame(id = c(7, 8), question = c("Why?", NA)), unit_id = "id", text = "question")
#' @export
at_corpus <- function(x, unit_id = "unit_id", text = "text", covariates = NULL, encoding = NULL) {
  if (is_path(x)) {
    return(at_call(
      "read_corpus",
      path = as_path(x), unit_id = unit_id, text = text, covariates = several(covariates), encoding = encoding
    ))
  }
  if (is.character(x)) x <- texts_as_corpus(x, unit_id, text)
  if (is.data.frame(x) && is.null(covariates)) x <- with_row_names(x)
  require_columns(x, c(unit_id, text, covariates), "The corpus")
  # R's own columns never leave R: only what must be checked crosses.
  sent <- frame_to_python(texts_only(x, unit_id, text), ids = unit_id)
  checked <- at_call("read_corpus", path = sent, unit_id = unit_id, text = text)
  others <- covariates %||% setdiff(names(x), c(unit_id, text))
  tibble::as_tibble(c(as.list(checked), as.list(x)[setdiff(others, c("unit_id", "text"))]))
}

# One string is a path, several are texts: a mistyped path must not be coded as a text.
is_path <- function(x) is.character(x) && length(x) == 1 && !is.na(x)

texts_as_corpus <- function(x, unit_id, text) {
  stats::setNames(tibble::tibble(as.character(seq_along(x)), x), c(unit_id, text))
}

texts_only <- function(x, unit_id, text, more = NULL) {
  x <- x[unique(c(unit_id, text, more))]
  if (is.factor(x[[text]])) x[[text]] <- as.character(x[[text]])
  words <- is.character(x[[text]]) || all(is.na(x[[text]]))
  if (!words) {
    what <- sprintf("The column '%s' is of class '%s', not texts.", text, class(x[[text]])[1])
    abort(what, "Name another with `text`.")
  }
  x
}

require_columns <- function(x, columns, called) {
  if (!is.data.frame(x)) {
    abort(sprintf("%s is of class '%s'.", called, class(x)[1]), "Give a data frame, or the path of a file.")
  }
  for (column in columns) {
    if (!column %in% names(x)) {
      there <- paste(sprintf("'%s'", utils::head(names(x), 8)), collapse = ", ")
      abort(sprintf("%s has no column '%s'.", called, column), paste0("There are: ", there, "."))
    }
  }
}

#' What coders said: a table of codings
#'
#' Reads codings in whatever layout the coders have them, and makes one long table. Three layouts are understood:
#' *long* (a row per text, coder and label), *by variable* (a row per text and coder, a column per variable) and *wide*
#' (a row per text, a column per coder). The sets of a multi-label variable may also stand in 0/1 or TRUE/FALSE columns,
#' one a label, named `marks_elite` or `elite`.
#'
#' @param x A file's path, a data frame, or several of them in a character vector or list. Labels may be names, codes,
#'   factors or labelled vectors.
#' @param codebook Which labels there are, an [at_codebook()]; without one, labels are taken as they are.
#' @param unit_id,coder The columns with the text's identifier and with the coder's name. Without a coder column, the
#'   coder is named after the file (`coder_anna.xlsx` is anna's), or after the list's names.
#' @param variable What was coded, where the table does not say.
#' @param columns For the layout by variable: the column of each variable, where named differently, as
#'   `c(topic = "q1")`.
#' @param coders For the wide layout: the columns, one a coder.
#' @param keep Further columns to keep.
#' @param unknown What to do with labels that are not in the codebook: `"error"`, or `"drop"` and count them.
#' @param encoding Of csv files; found out by default.
#' @return A tibble with a row per label given: unit_id, variable, coder, label, prob, status (`ok`, `none`, `missing`,
#'   `unparsed`, `error`), and the kept columns; of a study's store also `wave`, `arm` and `kind` (person,
#'   adjudicator or model).
#' @examplesIf at_available()
#' wide <- data.frame(unit_id = 1:3, anna = c("yes", "no", "yes"), ben = c("yes", NA, "no"))
#' at_codings(wide, variable = "vote", coders = c("anna", "ben"))
#' @export
at_codings <- function(x, codebook = NULL, unit_id = "unit_id", coder = NULL, variable = NULL, columns = NULL,
                       coders = NULL, keep = NULL, unknown = c("error", "drop"), encoding = NULL) {
  sources <- if (is.list(x) && !is.data.frame(x)) x else if (is.character(x)) as.list(x) else list(x)
  sources <- Map(named_source, sources, names(sources) %||% rep("", length(sources)), MoreArgs = list(coder = coder))
  at_call(
    "read_codings",
    paths = lapply(unname(sources), source_to_python, unit_id = unit_id), codebook = codebook, unit_id = unit_id,
    coder = coder, variable = variable, columns = if (!is.null(columns)) as.list(columns), coders = several(coders),
    keep = several(keep), unknown = match.arg(unknown), encoding = encoding
  )
}

# A data frame in a named list is the coder's of that name.
named_source <- function(source, name, coder) {
  if (is.data.frame(source) && nzchar(name) && is.null(coder) && !"coder" %in% names(source)) source$coder <- name
  source
}

source_to_python <- function(source, unit_id) {
  if (is_path(source)) {
    return(as_path(source))
  }
  require_columns(source, unit_id, "The table of codings")
  frame_to_python(source, ids = unit_id)
}

#' One answer per text from several coders
#'
#' @param codings A table of codings, from [at_codings()].
#' @param rule `"majority"`: the label that most coders gave. `"unanimous"`: only where all agree. `"any"`: a label that
#'   any coder gave; `list(at_least = 2)`: one that two coders gave, on texts that two or more coded. `"coder"`: what
#'   `coder` said. `"adjudicated"`: a later coder (or `coder`) overrules. `"dawid_skene"`: the most likely label given
#'   each coder's estimated errors (Dawid and Skene 1979). `"shares"`: the majority, and beside it the share of the
#'   text's codings that gave each label, from which models learn; no text is lost to a tie.
#' @param codebook Says which variables are multi-label, and the order of labels.
#' @param ties For `"majority"`, `"any"` and `at_least`, where several labels qualify: `"drop"` (with `"shares"`: the label
#'   that coders gave more often in all), `"first"` (in codebook order), or the label that wins.
#' @param coder For the rules `"coder"` and `"adjudicated"`.
#' @param coders Whose codings count; everybody's by default, but for models' proposals in a study's store.
#' @return A table of codings by the coder `gold`, with `prob` (the share of codings that give the label) and
#'   `n_coders`; with `"shares"` also `share_<label>` for every label.
#' @examplesIf at_available()
#' wide <- data.frame(unit_id = 1:2, anna = c("yes", "yes"), ben = c("yes", "no"))
#' codings <- at_codings(wide, variable = "vote", coders = c("anna", "ben"))
#' at_resolve(codings, ties = "no")
#' @export
at_resolve <- function(codings,
                       rule = c("majority", "unanimous", "any", "coder", "adjudicated", "dawid_skene", "shares"),
                       codebook = NULL, ties = "drop", coder = NULL, coders = NULL) {
  rule <- if (is.list(rule)) lapply(rule, as.integer) else match.arg(rule)
  at_call(
    "resolve",
    codings = codings_to_python(codings), rule = rule, codebook = codebook, ties = ties, coder = coder,
    coders = several(coders)
  )
}

#' Codings of each level of a hierarchy
#'
#' At the level of the majors a text coded `Prices` is coded with what `Prices` is a part of. The probability of a label
#' is the sum of those of the labels below it, at every level, and so are the shares of coders. Of sets of labels, of
#' which several may hold, it is the largest of them. A text that was coded by its major alone has the status `missing`
#' at the level of the minors.
#'
#' @param codings A table of codings, by people or by models.
#' @param codebook A codebook, from [at_codebook()], some of whose labels have a parent.
#' @return A table of codings of the variables of [at_levels()]. Codings of other variables stay as they are.
#' @examplesIf at_available()
#' rows <- data.frame(
#'   variable = "topic", code = c(1, 101, 103, 3),
#'   name = c("Economy", "Prices", "Jobs", "Health"), parent = c(NA, 1, 1, NA)
#' )
#' book <- at_codebook(rows)
#' wide <- data.frame(unit_id = 1:2, anna = c("Prices", "Economy"), ben = c("Jobs", "Prices"))
#' codings <- at_codings(wide, book, variable = "topic", coders = c("anna", "ben"))
#' at_reliability(at_roll_up(codings, book), codebook = at_levels(book), metrics = "percent")
#' @export
at_roll_up <- function(codings, codebook) {
  at_call("roll_up", codings = codings_to_python(codings), codebook = codebook)
}

codings_to_python <- function(codings) {
  require_columns(codings, c("unit_id", "label"), "The table of codings")
  frame_to_python(codings)
}
