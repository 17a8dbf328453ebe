# Each of these starts a fresh R, because a session has one Python for all its life.
run_fresh <- function(code, env = character()) {
  script <- withr::local_tempfile(fileext = ".R", lines = c("library(annotune)", code))
  libraries <- paste(c(dirname(system.file(package = "annotune")), .libPaths()), collapse = .Platform$path.sep)
  suppressWarnings(system2(
    file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(script)),
    stdout = TRUE, stderr = TRUE, env = c(paste0("R_LIBS=", libraries), env)
  ))
}

skip_if_loaded_from_source <- function() {
  skip_if_not(dir.exists(file.path(system.file(package = "annotune"), "Meta")), "the package is not installed")
}

test_that("loading the package starts no Python, and not even reticulate", {
  skip_if_loaded_from_source()
  said <- run_fresh("cat('reticulate' %in% loadedNamespaces())")
  expect_identical(said, "FALSE")
})

test_that("without Python the package loads, and verbs say what to do", {
  skip_if_loaded_from_source()
  code <- c(
    "cat(at_available(), '\\n')",
    "print(at_codebook(list(v = c('a', 'b'))))",
    "found <- tryCatch(at_demo(), annotune_error = function(e) e)",
    "cat(class(found)[1], found$advice)"
  )
  said <- paste(run_fresh(code, env = "RETICULATE_PYTHON=/nonexistent/python"), collapse = "\n")
  expect_match(said, "FALSE")
  expect_match(said, "<codebook>")
  expect_match(said, "annotune_no_python.*at_install\\(\\)")
})

test_that("status names each fault and how to mend it", {
  told <- status_rows(c(python = NA))
  expect_identical(told$ok[1], FALSE)
  expect_match(told$advice[1], "at_install")
  told <- status_rows(c(python = "/no/python"))
  expect_match(told$value[1], "does not run")
  fine <- c(python = "/p", version = "3.11.2", annotune = "0.1.5", torch = "2.13", gpu = "none", memory = "16")
  told <- status_rows(fine)
  expect_true(all(told$ok[told$item %in% c("Python", "Version", "annotune", "torch", "Memory")]))
  old <- status_rows(replace(fine, "version", "3.9.1"))
  expect_match(old$advice[old$item == "Version"], "3.10")
  mixed <- status_rows(c(fine, built_for = "3.13"))
  expect_match(mixed$advice[mixed$item == "Version"], "mixes two Pythons")
  other <- status_rows(replace(fine, "annotune", "0.2.0"))
  expect_false(other$ok[other$item == "annotune"])
  broken <- status_rows(c(fine[names(fine) != "torch"], torch_error = "OSError: libcudart"))
  expect_match(broken$value[broken$item == "torch"], "libcudart")
  bare <- status_rows(c(fine, extras = "none"))
  expect_match(bare$advice[bare$item == "Extras"], 'at_install(extras = "tables")', fixed = TRUE)
  usual <- status_rows(c(fine, extras = "onnx tables"))
  expect_match(usual$value[usual$item == "Extras"], "^tables, onnx; to be had .*: multilingual, pandas, gguf, llama, propose, redact, page, openvino, ray, 4bit$")
  unused <- status_rows(c(fine, gpu_unused = "H200"))
  expect_match(unused$advice[unused$item == "Graphics processor"], "gpu = ")
})

test_that("extras are named to pip whatever annotune comes from", {
  ours <- utils::packageVersion("annotune")
  expect_identical(requirement(NULL, "tables"), sprintf("annotune[tables]~=%s", ours))
  expect_identical(requirement(NULL, character()), sprintf("annotune~=%s", ours))
  folder <- normalizePath(withr::local_tempdir())
  expect_identical(requirement(folder, c("tables", "onnx")), paste0(folder, "[tables,onnx]"))
  expect_identical(requirement(paste0(folder, "[gguf]"), "tables"), paste0(folder, "[tables,gguf]"))
  expect_identical(requirement("annotune==0.1.2", "tables"), "annotune[tables]==0.1.2")
  expect_identical(requirement("git+https://h.org/a.git", "tables"), "annotune[tables] @ git+https://h.org/a.git")
  expect_identical(require_extras("none"), character())
  expect_error(require_extras("table"), "no extra 'table'", class = "annotune_error")
  expect_error(at_install(extras = "r"), "no extra 'r'", class = "annotune_error")
})

test_that("the extras are those that Python has, but for its bridge to R", {
  skip_if_no_python()
  python_half()
  expect_setequal(EXTRAS, setdiff(names(reticulate::import("annotune.extras")$EXTRAS), "r"))
})

test_that("a Python annotune of another series is refused", {
  expect_silent(require_same_version(paste0(series(utils::packageVersion("annotune")), ".99")))
  expect_error(require_same_version("9.1.0"), "9.1.0", class = "annotune_no_python")
})

test_that("py_require is offered where reticulate has it, and its absence explained", {
  skip_if("py_require" %in% getNamespaceExports("reticulate"))
  expect_error(at_install(method = "require"), "Update reticulate", class = "annotune_error")
})

test_that("programs are run without R's own library path, and with the user's", {
  skip_on_os(c("windows", "mac"))
  skip_if_not(file.exists(file.path(R.home("etc"), "ldpaths")))
  before <- Sys.getenv("LD_LIBRARY_PATH")
  withr::local_envvar(LD_LIBRARY_PATH = paste0(before, ":/their/own"))
  expect_match(library_path_of_user(), "/their/own$")
  expect_false(grepl(R.home("lib"), library_path_of_user(), fixed = TRUE))
  expect_identical(run_program("sh", c("-c", shQuote("printf %s \"$LD_LIBRARY_PATH\""))), library_path_of_user())
  expect_identical(attr(run_program("/no/such/program", "x"), "status"), 127L)
})

test_that("a Python without annotune is named by every verb, not by the first alone", {
  skip_if_loaded_from_source()
  python <- Sys.which("python3")
  skip_if(!nzchar(python) || !recent_enough(python), "no Python to start")
  home <- withr::local_tempdir()
  run_program(python, c("-m", "venv", "--without-pip", shQuote(home)))
  bare <- file.path(home, "bin", "python")
  skip_if_not(file.exists(bare), "no virtual environment could be made")
  code <- "for (i in 1:2) cat(tryCatch(at_demo(), annotune_no_python = function(e) e$what), '\\n')"
  said <- run_fresh(code, env = paste0("RETICULATE_PYTHON=", bare))
  expect_length(said, 2)
  expect_identical(said[1], said[2])
  expect_match(said[2], "has no working annotune. It said: .+annotune")
})

test_that("the vignettes are listed where the package is installed with its pages", {
  skip_if_loaded_from_source()
  skip_if_not(dir.exists(system.file("help", package = "annotune")), "the package is installed without its pages")
  library <- dirname(system.file(package = "annotune"))
  listed <- utils::vignette(package = "annotune", lib.loc = library)$results[, "Item"]
  expect_setequal(listed, c("annotune", "reliability", "stata"))
})
