ENVIRONMENT <- "r-annotune"

# Python is named here and started by the first verb that needs it: loading a package must not start, ask or download
# anything. Even reticulate, which takes longer to load than all the rest, waits until then.
.onLoad <- function(libname, pkgname) name_python()

# What to do first, where somebody is there to read it.
.onAttach <- function(libname, pkgname) {
  if (rlang::is_interactive()) packageStartupMessage(paste(FIRST, collapse = "\n"))
}

FIRST <- c(
  "annotune: from a codebook to a regression table, by a model tuned on coded texts",
  "  at_install()                    first, once: the Python that does the work",
  "  at_run(at_demo(\"demo\")$study)   all of it on simulated data, in some minutes",
  "  at_run(\"study.yaml\")            your own study; or step by step, by at_tune()",
  "  ?annotune                       the steps; help(package = \"annotune\"): verbs"
)

name_python <- function() delayedAssign("half", python_module(), assign.env = the)

python_module <- function() {
  reticulate::import("annotune.rcalls", delay_load = list(
    environment = ENVIRONMENT,
    before_load = before_python,
    on_error = function(error) the$load_error <- conditionMessage(error)
  ))
}

# Two copies of OpenMP in one process end macOS's R sessions; the variable lets them live side by side. What torch's
# compiler keeps goes with the session's other temporary files.
before_python <- function() {
  if (Sys.info()[["sysname"]] == "Darwin") set_if_unset("KMP_DUPLICATE_LIB_OK", "TRUE")
  set_if_unset("TORCHINDUCTOR_CACHE_DIR", file.path(tempdir(), "torchinductor"))
}

set_if_unset <- function(name, value) {
  if (!nzchar(Sys.getenv(name))) do.call(Sys.setenv, stats::setNames(list(value), name))
}

# annotune's Python half, started now if it was not, of the version that belongs to this package.
python_half <- function() {
  if (is.null(the$ready)) {
    the$load_error <- NULL
    version <- tryCatch(the$half$version(), error = function(error) {
      name_python() # the next call fails, or works, by itself
      no_python(the$load_error %||% conditionMessage(error))
    })
    require_same_version(version)
    the$ready <- TRUE
  }
  the$half
}

no_python <- function(reason) {
  started <- reticulate::py_available(initialize = FALSE)
  what <- if (!started) {
    "Python could not be started."
  } else {
    paste0("The Python that runs here, ", reticulate::py_config()$python, ", has no working annotune.")
  }
  abort(
    paste(what, "It said:", telling_line(reason, started)),
    "See what is missing with at_status(), and set it up with at_install().",
    class = "annotune_no_python"
  )
}

# reticulate tells why Python did not start in its first line; Python tells what failed in its last, below which newer
# versions of reticulate say where to read more.
telling_line <- function(reason, started) {
  lines <- strsplit(reason, "\n")[[1]]
  lines <- lines[nzchar(trimws(lines)) & !grepl("py_last_error", lines, fixed = TRUE)]
  if (started) utils::tail(lines, 1) else utils::head(lines, 1)
}

require_same_version <- function(version) {
  ours <- as.character(utils::packageVersion("annotune"))
  if (!identical(series(version), series(ours))) {
    abort(
      sprintf("The Python package annotune is %s, but this R package is %s.", version, ours),
      "Install the one that belongs to it with at_install(), and start R anew.",
      class = "annotune_no_python"
    )
  }
}

# 0.1.3 and 0.1.7 go together, 0.1 and 0.2 do not.
series <- function(version) sub("^(\\d+\\.\\d+).*$", "\\1", version)
