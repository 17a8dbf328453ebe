#' The corpus with its codes beside it
#'
#' One row per text, ready to be analysed. The covariates stay as they are in R: factors, labelled vectors, dates.
#'
#' @param corpus A data frame with a row per text, or the path of a file.
#' @param codings A table of codings by one coder a variable, as [at_classify()] returns it.
#' @param codebook An [at_codebook()]: gives each column its labels, in order.
#' @param gold What people decided; adds `<variable>_gold`.
#' @param text Whether the text stays in.
#' @param unit_id The column with the identifier.
#' @param draws How texts were drawn for coding: a study's store, or the `draws` of [at_sample()]. Adds `pi` and `wave`.
#' @return A tibble with the rows of the corpus: unit_id, covariates, and for a variable `topic` the columns `topic`
#'   (a factor, ordered where the variable is ordinal), `topic_prob`, `topic_status`, `topic_p_<label>` and
#'   `topic_gold`; for a multi-label variable a 0/1 column `topic_<label>` for each label.
#' @examplesIf at_available()
#' vote <- at_codebook(list(vote = c(yes = 1, no = 2)))
#' said <- data.frame(unit_id = "b", variable = "vote", label = "no")
#' at_attach(data.frame(unit_id = c("a", "b"), party = factor(c("X", "Y"))), said, vote)
#' @export
at_attach <- function(corpus, codings, codebook, gold = NULL, text = FALSE, unit_id = "unit_id", draws = NULL) {
  if (is.character(corpus)) corpus <- at_corpus(corpus, unit_id = unit_id)
  require_columns(corpus, unit_id, "The corpus")
  codebook <- as_codebook(codebook, needed = TRUE)
  require_known_labels(list(codings, gold), codebook)
  corpus <- tibble::as_tibble(corpus)
  names(corpus)[names(corpus) == unit_id] <- "unit_id"
  corpus$unit_id <- as_id(corpus$unit_id)
  if (!text) corpus$text <- NULL
  found <- at_call(
    "attach",
    corpus = frame_to_python(corpus, blank = setdiff(names(corpus), "unit_id")), codings = codings_to_python(codings),
    codebook = codebook, gold = if (!is.null(gold)) codings_to_python(gold), text = text, draws = draws_to_python(draws)
  )
  added <- found[setdiff(names(found), names(corpus))]
  vctrs::vec_cbind(corpus[c("unit_id", setdiff(names(corpus), "unit_id"))], order_ordinal(added, codebook))
}

require_known_labels <- function(tables, codebook) {
  for (codings in drop_nulls(tables)) {
    require_columns(codings, c("unit_id", "label"), "The table of codings")
    for (entry in codebook$variables) {
      mine <- codings$label[(codings[["variable"]] %||% entry$name) == entry$name]
      strange <- setdiff(as.character(mine[!is.na(mine)]), entry$labels$name)
      if (length(strange)) {
        abort(sprintf("The label '%s' is not in the variable '%s'.", strange[1], entry$name), "Check the codebook.")
      }
    }
  }
}

order_ordinal <- function(added, codebook) {
  for (entry in codebook$variables) {
    if (entry$kind == "ordinal") {
      for (name in intersect(c(entry$name, paste0(entry$name, "_gold")), names(added))) {
        added[[name]] <- as_ordered(added[[name]])
      }
    }
  }
  added
}

#' Write a table for Stata, R, SPSS, Python or a spreadsheet
#'
#' Every file appears whole or not at all. Factors and labelled vectors become value labels, variable labels stay, and
#' why cells are missing (Stata's .a to .z) is kept. What a format made necessary, such as another name, is said.
#' An .rds file is R's own, written by [saveRDS()].
#'
#' @param data A data frame, or the path of a table; or what [at_correct()] gave.
#' @param path Where to: one path or several; .dta, .rds, .parquet, .csv, .sav or .xlsx; a correction also to .tex,
#'   .docx and .html as a table, to .do as b and V for Stata, and to .rds as an object with `coef()` and `vcov()`.
#' @param codebook An [at_codebook()]: columns named after its variables get its codes and labels.
#' @param labels For other coded columns, a named list: `list(party = c(Greens = 1, Liberals = 2))`.
#' @param headings Variable labels, as `c(year = "Year of the question")`.
#' @param notes Where the data come from, a sentence each.
#' @param title The data's label.
#' @param labelled Whether coded columns are [haven::labelled()] in an .rds, in place of factors.
#' @param regressions Formulas such as `"topic == 'Health' ~ party"`: a do-file stands beside the .dta and an R script
#'   beside the .rds, ready to run them.
#' @param layout Of a correction's table: `"journal"`, a column per method with standard errors in brackets, or
#'   `"stacked"`, a row per method with intervals and p-values.
#' @param guard_formulas For files that people open in a spreadsheet: whether texts that begin with `=`, `+`, `-`, `@`, a
#'   tab or a line break get an apostrophe before them in a .csv, which stays when the file is read back, and the mark of
#'   text in an .xlsx, where no cell is a formula in any case.
#' @return A tibble of what was changed, invisibly: file, column, change, detail, cells.
#' @examplesIf at_available()
#' topic <- factor(c("Health", NA), levels = c("Economy", "Health"))
#' coded <- data.frame(unit_id = c("a", "b"), topic)
#' at_write(coded, file.path(tempdir(), "coded.dta"))
#' haven::read_dta(file.path(tempdir(), "coded.dta"))
#' @export
at_write <- function(data, path, codebook = NULL, labels = NULL, headings = NULL, notes = NULL, title = NULL,
                     labelled = FALSE, regressions = NULL, layout = c("journal", "stacked"), guard_formulas = FALSE) {
  if (!is.data.frame(data) && !is.character(data) && !inherits(data, "at_correction")) {
    abort(sprintf("An object of class '%s' is no table.", class(data)[1]), "Give a data frame, or the path of a table.")
  }
  if (!is.character(path) || length(path) == 0 || anyNA(path)) {
    abort("No file to write to was given.", "Give at least one path.")
  }
  # what a data frame does not hold itself is Python's to add; a script must find the names that its writer gave
  asked <- c(regressions, labels, headings, notes)
  own <- is.data.frame(data) & is.null(asked) & tolower(tools::file_ext(path)) == "rds"
  changes <- no_changes()
  if (!all(own)) {
    changes <- at_call(
      "write",
      data = if (is.data.frame(data)) frame_to_python(data, whole = TRUE) else as_path(data),
      paths = several(as_path(path[!own])), codebook = codebook,
      labels = if (!is.null(labels)) lapply(labels, label_pairs), headings = if (length(headings)) as.list(headings),
      notes = several(notes), title = title, labelled = labelled, regressions = several(regressions),
      layout = match.arg(layout), guard_formulas = guard_formulas,
      terms = if (inherits(data, "at_correction")) several(data$estimates$term),
      methods = if (inherits(data, "at_correction")) several(unique(data$estimates$method))
    )
  }
  for (target in path[own]) save_rds(with_codebook(data, codebook, labelled, title), target)
  for (i in seq_len(min(nrow(changes), 20))) say_change(changes[i, ])
  invisible(changes)
}

no_changes <- function() {
  words <- character()
  tibble::tibble(file = words, column = words, change = words, detail = words, cells = integer())
}

# Codes cross beside their labels: the names of a dictionary would have to be words.
label_pairs <- function(labels) {
  codes <- if (is.character(labels)) enc2utf8(unname(labels)) else as.double(labels)
  sent <- list(.r = "labels", codes = as.list(codes), names = as.list(enc2utf8(names(labels))))
  structure(sent, class = "at_sent")
}

say_change <- function(row) {
  where <- if (is.na(row$column)) row$file else sprintf("%s, '%s'", row$file, row$column)
  cells <- if (!is.na(row$cells)) sprintf(" (%s cells)", format(row$cells, big.mark = ",")) else ""
  cli::cli_inform(c(i = "{where}: {row$change}: {row$detail}{cells}"))
}

# As Python's writer would have it: codes and variable labels beside the factors, the title beside the data.
with_codebook <- function(data, codebook, labelled, title) {
  for (name in names(data)) {
    entry <- entry_of(data[[name]], name, codebook)
    if (!is.null(entry)) data[[name]] <- coded_column(data[[name]], entry, labelled)
  }
  title <- title %||% codebook$name
  if (!is.null(title) && nzchar(title)) attr(data, "label") <- title
  data
}

# The codebook's variable of that name, or the one whose labels the factor's levels are.
entry_of <- function(column, name, codebook) {
  for (entry in codebook$variables) {
    alike <- is.factor(column) && identical(levels(column), entry$labels$name)
    if (entry$kind != "multilabel" && (entry$name == name || alike)) {
      return(entry)
    }
  }
}

coded_column <- function(column, entry, labelled) {
  codes <- stats::setNames(entry$labels$code, entry$labels$name)
  words <- if (inherits(column, "haven_labelled")) label_names(column) else as.character(column)
  instruction <- if (nzchar(entry$instruction)) entry$instruction
  if (labelled) {
    return(haven::labelled(unname(codes[words]), codes, label = instruction))
  }
  made <- factor(words, levels = entry$labels$name, ordered = entry$kind == "ordinal")
  structure(made, label = instruction, codes = as.double(codes))
}

save_rds <- function(data, target) {
  draft <- tempfile(".annotune-", tmpdir = dirname(target), fileext = ".rds")
  on.exit(unlink(draft))
  tryCatch(
    suppressWarnings(saveRDS(data, draft)),
    error = function(error) abort(paste0(target, " cannot be written."), "Choose another folder.")
  )
  file.rename(draft, target)
}

#' Run a study: the whole way, from one file
#'
#' Agreement of the coders, gold, a tuned model and its figures, the coded corpus, and the files for Stata and R.
#' What is up to date is not done again: an interrupted run goes on where it was.
#'
#' @param study The path of a study.yaml; the paths in it are relative to its folder.
#' @param again Do every step again.
#' @param data Whether the coded corpus is brought into R; `FALSE` for one that is too large, which is then in the files
#'   alone.
#' @param allow_upload The hosts to which texts may be sent, where the study asks a model there to propose codes (see
#'   [at_propose()]). A study file cannot say so.
#' @return An object of class `at_results`: a list with `reliability`, `gold`, `codings`, `shares` (of labels,
#'   beside held-out texts; see [at_shares()]), `evaluations` (an evaluation per variable), `data`, `files`, `record`
#'   (the file that says what these were made of), `changes` and `done`. `NULL` where texts that the study draws are to
#'   be coded first: what is printed says by whom, in which sheet, and how to go on.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(file.path(tempdir(), "demo"), n = 200, n_coded = 60)
#' results <- at_run(data$study)
#' results$evaluations$topic
#' }
#' @export
at_run <- function(study, again = FALSE, data = TRUE, allow_upload = NULL) {
  say <- if (show_progress()) function(step) cli::cli_inform(c(i = "{step} ..."))
  hosts <- several(allow_upload)
  results <- at_call(
    "run",
    study = as_path(study), again = again, say = say, data = data, allow_upload = hosts,
    library_path = own_library_path()
  )
  if (!is.null(results$halt)) {
    cli::cat_line(commands_in_r(unlist(results$halt)))
    return(invisible(NULL))
  }
  class(results$reliability) <- c("at_reliability", class(results$reliability))
  structure(results, class = "at_results")
}

#' Rounds of a study: what is due, and what each gave
#'
#' For a study.yaml that draws its texts in rounds (`sample: {rounds: {n: 200, evaluation: 300, ...}}`). The first call
#' draws the evaluation set and the first round, has models propose, and says what people are to code. Further calls take
#' in what they coded; when a round is coded, the model is tuned, the corpus coded and the regressions are corrected, and
#' what is printed says what another round is expected to bring.
#'
#' @param study The path of a study.yaml.
#' @param another Draw one more round, where the last one is done. Without it nothing further is drawn.
#' @param again Compute the figures of every round again.
#' @param allow_upload The hosts to which texts may be sent, as for [at_run()].
#' @return An object of class `at_rounds`: a list with `table` (a row per round and variable: `n_coded`, `codings`,
#'   `hours`, `cost`, `alpha`, `macro_f1` by cross-fitting, `evaluation_f1` on the texts that are kept apart, with
#'   limits), `coefficients` (a row per round, formula and term: the corrected estimate, and the width that its interval
#'   is expected to have after the next round), `labels` (agreement on each), `words`, `rule` (why rounds end here, if
#'   they do) and `due`. `tidy()` is the `table`, and `plot()` draws it.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' folder <- file.path(tempdir(), "rounds")
#' data <- at_demo(folder, n = 300, n_coded = 20)
#' study <- c(
#'   "codebook: codebook.yaml", "corpus: questions.csv",
#'   "sample: {rounds: {n: 60, evaluation: 40, coders: [anna]}}"
#' )
#' writeLines(study, data$study)
#' at_round(data$study)
#' }
#' @export
at_round <- function(study, another = FALSE, again = FALSE, allow_upload = NULL) {
  say <- if (show_progress()) function(step) cli::cli_inform(c(i = "{step} ..."))
  at_call(
    "rounds",
    study = as_path(study), another = another, again = again, say = say, allow_upload = several(allow_upload)
  )
}

#' @export
tidy.at_rounds <- function(x, ...) x$table

#' @export
print.at_rounds <- function(x, ...) {
  if (nrow(x$table) > 0) {
    known <- vapply(x$table, function(column) any(!is.na(column)), NA)
    shown <- c("round", "variable", "n_coded", "codings", "hours", "cost", "alpha", "macro_f1", "evaluation_f1")
    print_brief(x$table[intersect(shown, names(x$table)[known])])
    shown <- c("term", "round", "estimate", "conf_low", "conf_high", "expected_width")
    if (nrow(x$coefficients) > 0) print_brief(x$coefficients[shown])
  }
  say(unlist(x$words))
  if (nzchar(x$rule)) say(x$rule)
  say(commands_in_r(x$due))
  invisible(x)
}

# `annotune round study.yaml --next` is `at_round("study.yaml", another = TRUE)` here.
commands_in_r <- function(text) {
  text <- gsub("annotune round (.*?[.]ya?ml) --next", "at_round(\"\\1\", another = TRUE)", text, perl = TRUE)
  gsub("annotune (run|round|code) (.*?[.]ya?ml)", "at_\\1(\"\\2\")", text, perl = TRUE)
}

#' A coefficient under every combination of choices: the specification curve
#'
#' Whoever codes texts by a model chooses a base model, a seed, a rule by which several coders' answers become one, a
#' rule by which labels follow from probabilities, and may choose so that a result appears (Baumann et al. 2025). All
#' combinations are estimated here, naive and corrected (Simonsohn, Simmons and Nelson 2020). Coded texts are predicted
#' out of fold throughout. What is finished is kept beside the study: a call that was stopped goes on from there.
#'
#' @param study The path of a study.yaml with `sample` and `correct`.
#' @param choices A list of what is varied, as under `multiverse:` in the study file and in place of what it says there:
#'   such as `list(seed = 1:5, gold = c("majority", "unanimous"), cutoffs = "share")`. By default five seeds, the gold
#'   rules that the codings allow, all cut-offs, and probabilities as well as labels corrected.
#' @param again Estimate all again, also what is up to date.
#' @return An object of class `at_multiverse`: a list with `table` (a row per specification: `estimator`, a column for
#'   each choice, `own`, `estimate`, `std_error`, `p_value`, `conf_low`, `conf_high`, `n`, `n_coded`), `flips` (how often
#'   sign and significance are other than by the study's own choices), `choices` (the share of the variance that lies
#'   between each choice's values), `formula`, `term`, `level` and `words`. `tidy()` is the `table`, `plot()` draws the
#'   specification curves with the choices below them.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(file.path(tempdir(), "multiverse"), n = 400, n_coded = 240)
#' at_multiverse(data$study, list(seed = 1:2, gold = c("majority", "unanimous"), cutoffs = "share"))
#' }
#' @export
at_multiverse <- function(study, choices = NULL, again = FALSE) {
  say <- if (show_progress()) function(step) cli::cli_inform(c(i = "{step} ..."))
  at_call("multiverse", study = as_path(study), choices = choices, again = again, say = say)
}

#' @export
tidy.at_multiverse <- function(x, ...) x$table

#' @export
print.at_multiverse <- function(x, ...) {
  say(unlist(x$words))
  if (nrow(x$choices) > 0) print_brief(x$choices)
  invisible(x)
}

#' A study to start from
#'
#' Writes a study.yaml with a comment on every key, simulated data, and their known truth. Run it as it is with [at_run()],
#' then put your own files in the places of the simulated ones.
#'
#' @param folder Where to: a folder that is empty or not there yet.
#' @param like `"topic"`: one label per text; `"sets"`: any number of labels; `"scale"`: ordered labels.
#' @param seed Of the simulated data.
#' @return `at_new()`: the path of the study file. `at_studies()`: a tibble with a row per ready study, `like` and `about`.
#' @examplesIf at_available()
#' at_studies()
#' at_new(file.path(tempdir(), "my-study"), like = "scale")
#' @export
at_new <- function(folder, like = c("topic", "sets", "scale"), seed = 7) {
  at_call("new", folder = as_path(folder), like = match.arg(like), seed = seed)
}

#' @rdname at_new
#' @export
at_studies <- function() at_call("studies")

#' Are files still what was recorded of them?
#'
#' Compares files with the fingerprints that runs left of them: outputs and inputs with the records, finished pieces of
#' work with the notes beside them, saved models with their cards.
#'
#' @param path A folder, in which everything that was recorded is looked at; or a study.yaml, an output, or a record.
#' @return An object of class `at_verification`: a list with `files` (a row per recorded file: `file`, `state`, `recorded_in`),
#'   `is_sound` (whether none was changed or is missing) and `words`.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(file.path(tempdir(), "verified"), n = 200, n_coded = 60)
#' results <- at_run(data$study)
#' at_verify(data$study)$is_sound
#' }
#' @export
at_verify <- function(path = ".") at_call("verify", path = as_path(path))

#' @export
print.at_verification <- function(x, ...) {
  say(x$words)
  print_brief(x$files[x$files$state != "as recorded", ])
  invisible(x)
}

#' @export
print.at_results <- function(x, ...) {
  head <- function(words) cli::cat_line(c("", cli::style_bold(words)))
  head("Agreement of the coders")
  print(x$reliability)
  for (name in names(x$evaluations)) {
    head(sprintf("The model for %s, on texts it was not tuned on", name))
    print(x$evaluations[[name]])
  }
  if (NROW(x$shares) > 0) {
    head("The corpus as coded")
    print_brief(x$shares)
  }
  for (i in seq_along(x$corrections)) {
    head("Hand-coded only, naive, and corrected")
    print(x$corrections[[i]])
    if (!is.null(x$errors[[i]])) say(c("", x$errors[[i]]$verdict))
  }
  if (!is.null(x$multiverse)) {
    head("Under other choices")
    print(x$multiverse)
  }
  head("Files")
  cli::cat_line(unlist(x$files))
  current <- names(x$done)[unlist(x$done) == "up to date"]
  if (length(current)) say(sprintf("Up to date and not done again: %s.", toString(current)))
  invisible(x)
}
