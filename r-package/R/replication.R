#' What did results come from?
#'
#' Shows as a tree what a run's record, the study's store, and the notes in a .dta or .parquet say that results came
#' from: data, codings and coders, draws, proposals, models, settings, versions, hardware, and the records behind them.
#'
#' @param path Results, a study.yaml that was run, a record, a folder with records, a bundle, or a model's folder.
#' @param unit The identifier of a text: tells of this one who coded it, what was proposed, what the model said, and
#'   what entered the regressions.
#' @return An object of class `at_why`: a list with `tree` (lists in lists), `unknown` (a sentence for each thing that
#'   nothing tells) and `words`, which `print()` shows.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(file.path(tempdir(), "why"), n = 200, n_coded = 60)
#' results <- at_run(data$study)
#' at_why(data$study)
#' at_why(data$study, unit = "q00002")
#' }
#' @export
at_why <- function(path, unit = NULL) {
  at_call("why", path = as_path(path), unit = if (!is.null(unit)) as.character(unit))
}

#' @export
print.at_why <- function(x, ...) {
  cat(x$words, sep = "\n")
  invisible(x)
}

#' What changed between two runs, and what did that change?
#'
#' Compares inputs and settings of two runs, and what came of them: labels, agreement, measures, coefficients; or two
#' codebooks, field by field.
#'
#' @param a,b Two runs, each as a study.yaml that was run, an output, a record, a folder with one, or a bundle; or two
#'   codebook files.
#' @return An object of class `at_difference`: a list with `tables` (a data frame for each kind of thing that differs, a
#'   row per difference), `names`, `notes` and `words`.
#' @examplesIf at_available()
#' folder <- file.path(tempdir(), "books")
#' dir.create(folder)
#' text <- "variables: [{name: topic, labels: [{code: 1, name: Health}, {code: 2, name: Law}]}]"
#' writeLines(text, file.path(folder, "old.yaml"))
#' writeLines(sub("Law", "Justice", text), file.path(folder, "new.yaml"))
#' at_diff(file.path(folder, "old.yaml"), file.path(folder, "new.yaml"))
#' @export
at_diff <- function(a, b) at_call("diff", a = as_path(a), b = as_path(b))

#' @export
print.at_difference <- function(x, ...) {
  say(c(x$words, unlist(x$notes)))
  for (name in names(x$tables)) {
    cli::cat_line(c("", cli::style_bold(paste0(toupper(substr(name, 1, 1)), substring(name, 2)))))
    print_brief(x$tables[[name]])
  }
  invisible(x)
}

#' Put a study that was run into one file, with which others get the same tables
#'
#' @param study A study.yaml that was run.
#' @param path A .zip, or a folder that is not there yet; by default `<name of the study>.bundle.zip` beside it.
#' @param texts `"all"`, or `"none"`: in place of texts their fingerprints and what the models said of them, from which
#'   every table after the models is computed.
#' @return The path of the bundle.
#' @seealso [at_replicate()]
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(file.path(tempdir(), "bundled"), n = 200, n_coded = 60)
#' results <- at_run(data$study)
#' bundle <- at_bundle(data$study, texts = "none")
#' at_replicate(bundle)
#' at_replicate(bundle, changes = list(gold.rule = "majority", gold.coder = NULL))
#' }
#' @export
at_bundle <- function(study, path = NULL, texts = c("all", "none")) {
  at_call("bundle", study = as_path(study), out = if (!is.null(path)) as_path(path), texts = match.arg(texts))
}

#' Compute a bundle's tables again, and compare them with those that were recorded
#'
#' @param bundle A .zip or a folder that [at_bundle()] made. It is not trusted, and without `environment` nothing in it
#'   is run.
#' @param path A new folder, in which the study is left as it was run again; by default nothing is left.
#' @param changes Keys of the study file and other values for them, `list(gold.rule = "unanimous")`: what if this choice
#'   had been another one? `NULL` takes a key away.
#' @param tolerance Numbers that differ by no more than this, or this share of them, are equal within the tolerance.
#' @param environment A new folder, in which an environment is made of the packages that the bundle names, with the
#'   annotune that is in it, and in which the study is run: code of the bundle's authors runs then, with your rights.
#' @param python The Python that makes the environment, such as `"python3.11"`; by default the one that runs here.
#' @return An object of class `at_replication`: a list with `tables` (a row per table: `state`, `n_cells`, `n_different`,
#'   `largest`, `first`), `state` (the worst of them), `beside` (with changes, tables side by side), `notes` and `words`.
#' @seealso [at_bundle()]
#' @export
at_replicate <- function(bundle, path = NULL, changes = NULL, tolerance = 1e-4, environment = NULL, python = NULL) {
  say <- if (show_progress()) function(step) cli::cli_inform(c(i = "{step} ..."))
  at_call(
    "replicate",
    bundle = as_path(bundle), out = if (!is.null(path)) as_path(path), changes = changes, tolerance = tolerance,
    environment = if (!is.null(environment)) as_path(environment), python = python, say = say,
    library_path = own_library_path()
  )
}

#' @export
print.at_replication <- function(x, ...) {
  say(x$words)
  print_brief(x$tables)
  for (name in names(x$beside)) {
    cli::cat_line(c("", cli::style_bold(paste(name, "as recorded (a) and with the changes (b)"))))
    print_brief(x$beside[[name]])
  }
  say(unlist(x$notes))
  invisible(x)
}

#' Put a bundle or a model where others find it
#'
#' What is shared is first compared with its fingerprints, and said, file by file, with whether texts are in it. Only
#' `to = "hf://user/name"` sends anything anywhere.
#'
#' @param source A bundle (see [at_bundle()]), or the folder of a saved model (see [at_save()]).
#' @param to A new folder, ready to be put into Dataverse, Zenodo or a repository; or `"hf://user/name"`, a repository of
#'   the Hugging Face hub. It is made where it is not there. Who you are there is what `hf auth login` or the variable
#'   `HF_TOKEN` says.
#' @param public Whether everybody may read the repository. A repository that is public is refused without it.
#' @param yes Whether to upload without asking. Where R cannot ask, as in a script, nothing is uploaded without it.
#' @return The folder, or the address with the commit, `hf://user/name@commit`, which [at_load()] takes.
#' @examplesIf at_available(tuning = TRUE)
#' \donttest{
#' data <- at_demo(file.path(tempdir(), "to-share"), n = 200, n_coded = 60)
#' results <- at_run(data$study)
#' at_share(at_bundle(data$study, texts = "none"), file.path(tempdir(), "for-zenodo"))
#' }
#' @export
at_share <- function(source, to, public = FALSE, yes = FALSE) {
  consent <- function(words) {
    cli::cat_line(words)
    yes || !startsWith(to, "hf:") || (interactive() && isTRUE(utils::askYesNo("Upload?", default = FALSE)))
  }
  at_call("share", source = as_path(source), to = as_path(to), public = public, consent = consent)
}
